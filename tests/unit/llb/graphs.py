"""The graphs of vectors.json, made with our API: one function a vector, named like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from buildkit_spec import llb
from buildkit_spec.llb import State
from buildkit_spec.values import Digest, Platform

A = Digest("sha256:" + "a" * 64)
ARM64 = Platform("linux", "arm64")
ARM64_V8 = Platform("linux", "arm64", "v8")
REPO = "https://git.example.com/team/repo.git"
NS = 1700000000123456789

GRAPHS: dict[str, Callable[[], State]] = {}
"""What makes each graph, by the vector's name."""

MARSHAL_OPTIONS: dict[str, dict[str, str]] = {
    "local_unique_default": {"local_unique_id": "unique-2"}
}
"""What beside the platform is given to the marshal call, by the vector's name."""

NOT_OFFERED = {
    "image_resolved_config": "the plan reads image configs; a state does not",
    "image_resolve_digest": "the plan resolves digests; a state does not",
    "image_config_applied": "the plan reads image configs; a state does not",
    "image_config_no_workdir": "the plan reads image configs; a state does not",
    "image_blob": "no source for single blobs of an image",
    "local_metadata_only": "no transfer of metadata alone",
    "git_mtime_commit": "no policy for a checkout's timestamps",
    "exec_linux_resources": "no limits on memory and processors",
    "passthrough": "no passthrough op",
    "export_cache": "no choice of what is exported to caches",
    "worker_constraints": "no choice of workers",
    "marshal_default_metadata": "metadata is given to vertices, not to marshal calls",
    "source_map": "vertices do not tell lines of a file",
    "platform_of_exec": "a state has the platform, in its usual spelling; an exec has none of its own",
    "platform_os_version_features": "platforms have no OS version or features",
    "caps_default_path_supported": "marshalling asks no daemon; the plan sets PATH",
    "caps_default_path_unsupported": "marshalling asks no daemon; the plan sets PATH",
    "caps_default_path_own_path": "marshalling asks no daemon; the plan sets PATH",
    "caps_ssh_and_path": "marshalling asks no daemon; the plan sets PATH",
}
"""Vectors of what we do not offer, and why. Their definitions are still loaded and printed."""


def graph(make: Callable[[], State]) -> Callable[[], State]:
    GRAPHS[make.__name__.removesuffix("_")] = make
    return make


def busybox() -> State:
    return llb.image("busybox")


def alpine() -> State:
    return llb.image("alpine:3.20")


def context() -> State:
    return llb.local("context", session_id="session-1")


def made(path: str) -> State:
    return llb.scratch().file(llb.mkfile(path, path, mode=0o644))


def true(*mounts: llb.Mount, **options: object) -> llb.Run:
    return busybox().run(["true"], mounts=mounts, **options)


# --- images


@graph
def image() -> State:
    return llb.image("docker.io/library/busybox:latest")


@graph
def image_short_name() -> State:
    return llb.image("busybox")


@graph
def image_digest_ref() -> State:
    return llb.image(f"registry.example.com:5000/team/app@{A}")


@graph
def image_tag_and_digest() -> State:
    return llb.image(f"registry.example.com/app:1.0@{A}")


@graph
def image_namespace_ref() -> State:
    return llb.image("team/app")


@graph
def image_platform() -> State:
    return llb.image("busybox", platform=ARM64)


@graph
def image_resolve_pull() -> State:
    return llb.image("busybox", resolve_mode=llb.ResolveMode.FORCE_PULL)


@graph
def image_resolve_local() -> State:
    return llb.image("busybox", resolve_mode=llb.ResolveMode.PREFER_LOCAL)


@graph
def image_internal() -> State:
    return llb.image("busybox", is_internal=True)


@graph
def image_layer_limit() -> State:
    return llb.image("busybox", layer_limit=2)


@graph
def image_layer_limit_zero() -> State:
    return llb.image("busybox", layer_limit=0)


@graph
def image_checksum() -> State:
    return llb.image("busybox", checksum=A)


# --- local directories


@graph
def local() -> State:
    return context()


@graph
def local_copy() -> State:
    source = llb.local("context", unique_id="unique-1")
    return llb.scratch().file(llb.copy(source, "/", "/"))


@graph
def local_all() -> State:
    return llb.local(
        "src",
        session_id="session-1",
        include=["*.py", "data/**"],
        exclude=["**/*.pyc", "!keep.pyc"],
        follow_paths=["link", "a/b"],
        shared_key_hint="hint",
        differ=llb.Differ.NONE,
        is_differ_required=True,
    )


@graph
def local_json_escapes() -> State:
    patterns = ["a<b>&c", 'quote"back\\slash', "tab\tend", "ünï", "\u2028"]
    return llb.local("src", session_id="session-1", include=patterns)


@graph
def local_differ_optional() -> State:
    return llb.local("src", session_id="session-1", differ=llb.Differ.METADATA)


@graph
def local_empty_patterns() -> State:
    return llb.local("src", session_id="session-1", include=[], exclude=[], follow_paths=[])


@graph
def local_unique_default() -> State:
    return llb.local("src", shared_key_hint="src")


@graph
def local_platform_ignored() -> State:
    source = llb.local("src", session_id="session-1").with_platform(ARM64)
    return source.run(["ls"]).root


# --- the web


@graph
def git_https() -> State:
    return llb.git(REPO, ref="main")


@graph
def git_no_ref() -> State:
    return llb.git(REPO)


@graph
def git_all() -> State:
    return llb.git(
        REPO,
        ref="v1.2.3",
        subdir="pkg/a",
        keep_git_dir=True,
        auth_token_secret="my-token",
        auth_header_secret="my-header",
        checksum="0123456789abcdef0123456789abcdef01234567",
        skip_submodules=True,
    )


@graph
def git_fragment() -> State:
    return llb.git(REPO, ref="v1.2.3", subdir="/pkg/../a/")


@graph
def git_subdir_no_ref() -> State:
    return llb.git(REPO, subdir="docs")


@graph
def git_user_port() -> State:
    return llb.git(
        "https://user@git.example.com:8443/team/repo.git",
        ref="main",
        auth_token_secret="",
        auth_header_secret="",
    )


@graph
def git_no_scheme() -> State:
    return llb.git("git.example.com/team/repo.git", ref="main")


@graph
def git_ssh() -> State:
    return llb.git(
        "ssh://git@git.example.com/team/repo.git",
        ref="main",
        known_ssh_hosts="git.example.com ssh-ed25519 AAAA",
        mount_ssh_sock="deploy",
    )


@graph
def git_scp_style() -> State:
    return llb.git(
        "git@git.example.com:team/repo.git", ref="main", known_ssh_hosts="h1 k1\nh2 k2\n"
    )


@graph
def http() -> State:
    return llb.http("https://files.example.com/a/b.tar.gz")


@graph
def http_all() -> State:
    return llb.http(
        "https://files.example.com/a/b.tar.gz",
        checksum=A,
        filename="c.tgz",
        mode=0o755,
        uid=1000,
        gid=1001,
        auth_header_secret="hdr",
        accept="application/json",
        user_agent="agent/1",
    )


@graph
def http_uid_zero() -> State:
    return llb.http("https://files.example.com/x", mode=0o44, uid=0, gid=5)


@graph
def oci_layout() -> State:
    reference = f"registry.example.com/app@{A}"
    return llb.oci_layout(reference, session_id="session-1", store_id="store-1", layer_limit=3)


@graph
def oci_layout_plain() -> State:
    return llb.oci_layout(f"not/normalised@{A}", platform=ARM64)


@graph
def scratch_result() -> State:
    return llb.scratch()


# --- exec


@graph
def exec_simple() -> State:
    return busybox().run(["/bin/sh", "-c", "echo hello"]).root


@graph
def exec_env_dir_user() -> State:
    state = busybox().with_env("A", "1").with_env("B", "two").with_env("A", "3")
    return state.with_cwd("/src").with_cwd("sub").with_user("nobody:nogroup").run(["env"]).root


@graph
def exec_chain() -> State:
    state = busybox()
    for path in ("/a", "/b", "/c"):
        state = state.run(["touch", path]).root
    return state


@graph
def exec_cache_mount() -> State:
    cache = llb.CacheMount("/var/cache/pip", "pip", llb.CacheSharing.LOCKED)
    return busybox().run(["pip", "install", "x"], mounts=[cache]).root


@graph
def exec_secret_file() -> State:
    secret = llb.Secret("/run/secrets/token", "token")
    return busybox().run(["cat", "/run/secrets/token"], mounts=[secret]).root


@graph
def exec_bind_output() -> State:
    return true(llb.Bind("/out", alpine())).mount("/out")


@graph
def exec_bind_before_root_name() -> State:
    return true(*(llb.Bind(target, llb.scratch()) for target in ("/z", "/a", "/m"))).mount("/m")


@graph
def exec_relative_mount_target() -> State:
    return true(llb.Bind("rel", llb.scratch()), llb.Bind("!x", llb.scratch())).root


@graph
def exec_bind_readonly_selector() -> State:
    return true(llb.Bind("/lib2", alpine(), selector="/usr/lib", readonly=True)).root


@graph
def exec_bind_no_output() -> State:
    return true(llb.Bind("/w", alpine(), has_output=False)).root


@graph
def exec_same_input_twice() -> State:
    base = busybox()
    mounts = [llb.Bind("/again", base, readonly=True), llb.Bind("/lib", alpine(), readonly=True)]
    return base.run(["true"], mounts=mounts).root


@graph
def exec_equal_states_built_twice() -> State:
    return true(llb.Bind("/again", busybox(), readonly=True)).root


@graph
def exec_cache_modes() -> State:
    return true(
        llb.CacheMount("/c/shared", "s", llb.CacheSharing.SHARED),
        llb.CacheMount("/c/private", "p", llb.CacheSharing.PRIVATE),
        llb.CacheMount("/c/locked", "l", llb.CacheSharing.LOCKED),
    ).root


@graph
def exec_cache_with_source() -> State:
    return true(llb.CacheMount("/c", "seeded", source=alpine(), selector="/etc")).root


@graph
def exec_cache_readonly() -> State:
    return true(llb.CacheMount("/c", "ro", readonly=True)).root


@graph
def exec_tmpfs() -> State:
    return true(llb.Tmpfs("/t1"), llb.Tmpfs("/t2", 67108864)).root


@graph
def exec_content_cache() -> State:
    return true(
        llb.Bind("/on", alpine(), readonly=True, content_cache=llb.ContentCache.ON),
        llb.Bind("/off", alpine(), readonly=True, content_cache=llb.ContentCache.OFF),
        llb.Bind("/default", alpine(), readonly=True),
    ).root


@graph
def exec_secret_files() -> State:
    return true(
        llb.Secret("/s/b", "b", uid=1000, gid=1001, mode=0o440, optional=True),
        llb.Secret("/s/a", "/s/a"),
    ).root


@graph
def exec_secret_env() -> State:
    env = [llb.SecretEnv("TOKEN", "tok"), llb.SecretEnv("OPT", "opt", optional=True)]
    return true(secret_env=env).root


@graph
def exec_secret_file_and_env() -> State:
    return true(llb.Secret("/s/both", "both"), secret_env=[llb.SecretEnv("BOTH", "both")]).root


@graph
def exec_ssh_default() -> State:
    return true(llb.SSH()).root


@graph
def exec_ssh_all() -> State:
    agent = llb.SSH("/ssh/a.sock", "a", uid=1, gid=2, mode=0o660, optional=True)
    return true(agent, llb.SSH(id="b"), env={"Z": "1"}).root


@graph
def exec_ssh_sock_env_kept() -> State:
    return true(llb.SSH(id="default"), env={"SSH_AUTH_SOCK": "/mine"}).root


@graph
def exec_all_mount_kinds() -> State:
    return true(
        llb.SSH(id="default"),
        llb.Secret("/s", "s"),
        llb.Tmpfs("/t"),
        llb.CacheMount("/c", "c"),
        llb.Bind("/b", alpine(), readonly=True),
    ).root


@graph
def exec_network_host() -> State:
    return true(network=llb.Network.HOST).root


@graph
def exec_network_none() -> State:
    return true(network=llb.Network.NONE).root


@graph
def exec_network_sandbox() -> State:
    return true(network=llb.Network.SANDBOX).root


@graph
def exec_security_insecure() -> State:
    return true(security=llb.Security.INSECURE).root


@graph
def exec_extra_hosts() -> State:
    hosts = [("db", "10.0.0.1"), ("v6", "2001:0db8:0:0:0:0:0:1"), ("db", "10.0.0.2")]
    return true(extra_hosts=[llb.ExtraHost(*host) for host in hosts]).root


@graph
def exec_ulimits() -> State:
    limits = [("nofile", 1024, 2048), ("core", 0, -1), ("nofile", 1, 1)]
    return true(ulimits=[llb.Ulimit(*limit) for limit in limits]).root


@graph
def exec_hostname() -> State:
    return true(hostname="builder").root


@graph
def exec_cgroup_parent() -> State:
    return true(cgroup_parent="/limits/a").root


@graph
def exec_proxy_all() -> State:
    proxy = llb.Proxy(
        "http://p:1", "http://p:2", "http://p:3", "localhost,.example.com", "socks5://p:4"
    )
    return true(proxy=proxy).root


@graph
def exec_proxy_empty() -> State:
    return true(proxy=llb.Proxy()).root


@graph
def exec_cdi() -> State:
    nic = llb.CDIDevice("vendor.com/nic=0", optional=True)
    return true(devices=[llb.CDIDevice("vendor.com/gpu=all"), nic]).root


@graph
def exec_valid_exit_codes() -> State:
    return true(valid_exit_codes=[0, 3, 255, -1]).root


@graph
def exec_valid_exit_codes_empty() -> State:
    return true(valid_exit_codes=[]).root


@graph
def exec_readonly_rootfs() -> State:
    return true(llb.Bind("/out", llb.scratch()), readonly_root=True).mount("/out")


@graph
def exec_readonly_rootfs_result() -> State:
    return true(readonly_root=True).root


@graph
def exec_scratch_root() -> State:
    bind = llb.Bind("/bin", busybox(), selector="bin", readonly=True)
    return llb.scratch().run(["/bin/true"], mounts=[bind]).root


@graph
def exec_env_values() -> State:
    state = busybox()
    pairs = [("EMPTY", ""), ("EQ", "a=b"), ("UNI", "grüße"), ("SPACE", "a b"), ("EMPTY", "")]
    for name, value in pairs:
        state = state.with_env(name, value)
    return state.run(["true"]).root


@graph
def exec_args_empty_string() -> State:
    return busybox().run(["sh", "-c", "", "x"]).root


@graph
def exec_run_options_dir_user() -> State:
    return true(cwd="rel/dir", user="1000").root


@graph
def exec_many_outputs() -> State:
    sources = {"/out1": llb.scratch(), "/out2": llb.scratch(), "/out3": alpine()}
    run = true(*(llb.Bind(target, source) for target, source in sources.items()))
    return llb.merge([run.root, *(run.mount(target) for target in sources)])


@graph
def exec_on_mount_output() -> State:
    base = busybox()
    run = base.with_env("A", "1").run(["touch", "/out/f"], mounts=[llb.Bind("/out", llb.scratch())])
    return base.run(["ls", "/in"], mounts=[llb.Bind("/in", run.mount("/out"), readonly=True)]).root


@graph
def exec_two_outputs_as_mounts() -> State:
    one = busybox().run(["one"], mounts=[llb.Bind("/out", llb.scratch())])
    mounts = [
        llb.Bind("/in", one.mount("/out"), readonly=True),
        llb.Bind("/again", one.root, readonly=True),
    ]
    return one.root.run(["two"], mounts=mounts).root


# --- file


def copied(src: str, dest: str, **options: object) -> State:
    return busybox().file(llb.copy(context(), src, dest, **options))


@graph
def copy_plain() -> State:
    return copied("/src/app.py", "/app/")


@graph
def copy_include_exclude() -> State:
    return copied(
        "/",
        "/app",
        include=["**/*.py", "data"],
        exclude=["**/test_*"],
        required_paths=["main.py"],
    )


@graph
def copy_flags() -> State:
    return copied(
        "/*.tar",
        "/app/",
        follow_symlinks=True,
        contents_only=True,
        attempt_unpack=True,
        create_dest_path=True,
        allow_wildcard=True,
        allow_empty_wildcard=True,
        always_replace=True,
    )


@graph
def copy_contents() -> State:
    return copied("/src", "/app", contents_only=True, create_dest_path=True)


@graph
def copy_wildcard() -> State:
    return copied("/dist/*.whl", "/wheels/", allow_wildcard=True, allow_empty_wildcard=True)


@graph
def copy_chown_ids() -> State:
    return copied("/a", "/b", chown=llb.Chown(1000, 1001))


@graph
def copy_chown_root() -> State:
    return copied("/a", "/b", chown=llb.Chown(0, 0))


@graph
def copy_chown_user_name() -> State:
    return copied("/a", "/b", chown=llb.Chown("app"))


@graph
def copy_chown_user_group() -> State:
    return copied("/a", "/b", chown=llb.Chown("app:staff"))


@graph
def copy_chown_mixed() -> State:
    return copied("/a", "/b", chown=llb.Chown("1000:staff"))


@graph
def copy_chown_root_name() -> State:
    return copied("/a", "/b", chown=llb.Chown("root:root"))


@graph
def copy_chmod() -> State:
    return copied("/a", "/b", mode=0o755)


@graph
def copy_chmod_setuid() -> State:
    return copied("/a", "/b", mode=0o4755)


@graph
def copy_chmod_zero() -> State:
    return copied("/a", "/b", mode=0)


@graph
def copy_chmod_string() -> State:
    return copied("/a", "/b", mode="u=rwX,go=rX")


@graph
def copy_timestamp() -> State:
    return busybox().file(replace(llb.copy(context(), "/a", "/b"), timestamp_ns=NS))


@graph
def copy_timestamp_zero() -> State:
    return copied("/a", "/b", timestamp_s=0)


@graph
def copy_dest_slash_dot() -> State:
    return copied("/src/.", "/app/.")


@graph
def copy_dest_root_dot() -> State:
    return copied("/", "/.")


@graph
def copy_unclean_paths() -> State:
    return copied("/x/../y/", "/a/..//b/")


@graph
def copy_relative_paths() -> State:
    source = context().with_cwd("/ctx")
    return busybox().with_cwd("/wd").file(llb.copy(source, "a/./b", "c/"))


@graph
def copy_same_state() -> State:
    base = busybox()
    return base.file(llb.copy(base, "/etc/passwd", "/etc/passwd.bak"))


@graph
def copy_from_scratch() -> State:
    return busybox().file(llb.copy(llb.scratch(), "/", "/x"))


@graph
def copy_chain_one_op() -> State:
    source = context()
    return busybox().file(
        llb.copy(source, "/a", "/a"),
        llb.copy(alpine(), "/etc/os-release", "/b"),
        llb.copy(source, "/c", "/c"),
    )


@graph
def copy_chain_many_ops() -> State:
    state, source = busybox(), context()
    for path in ("/a", "/b", "/c"):
        state = state.file(llb.copy(source, path, path))
    return state


@graph
def copy_chain_owner_name() -> State:
    copy = llb.copy(context(), "/a", "/d/", chown=llb.Chown("app:app"))
    return busybox().file(llb.mkdir("/d", mode=0o755), copy)


@graph
def copy_owner_name_on_scratch() -> State:
    return llb.scratch().file(llb.copy(context(), "/a", "/b", chown=llb.Chown("app")))


@graph
def copy_from_file_actions() -> State:
    chain = llb.ActionChain(
        llb.scratch().with_cwd("/ced"),
        (llb.mkdir("/foo", mode=0o755), llb.mkfile("/foo/x", "x", mode=0o644)),
    )
    base = busybox().with_cwd("/abc")
    return base.file(llb.mkdir("bar", mode=0o700), llb.copy(chain, "rel", "./baz"))


@graph
def mkfile_all() -> State:
    action = llb.mkfile("/f", b"\x00\xff\n", mode=0o755, chown=llb.Chown(5, 6))
    return busybox().file(replace(action, timestamp_ns=NS))


@graph
def mkfile_empty() -> State:
    return busybox().file(llb.mkfile("rel.txt", b"", mode=0))


@graph
def mkfile_scratch() -> State:
    return llb.scratch().file(llb.mkfile("/hello.txt", "hello world\n", mode=0o644))


@graph
def mkdir_all() -> State:
    action = llb.mkdir("/a/b", mode=0o700, parents=True, chown=llb.Chown("app", "staff"))
    return busybox().file(replace(action, timestamp_ns=NS))


@graph
def mkdir_trailing_slash() -> State:
    return busybox().file(llb.mkdir("/a/b/", mode=0o755))


@graph
def rm_plain() -> State:
    return busybox().file(llb.rm("/etc/motd"))


@graph
def rm_all() -> State:
    return busybox().file(llb.rm("/var/cache/*", allow_not_found=True, allow_wildcard=True))


@graph
def symlink() -> State:
    return busybox().file(llb.symlink("python3", "/usr/bin/python"))


@graph
def symlink_all() -> State:
    action = llb.symlink("../x", "rel/link", chown=llb.Chown(1, 2))
    return busybox().file(replace(action, timestamp_ns=NS))


@graph
def file_chain_mixed() -> State:
    return (
        busybox()
        .with_cwd("/w")
        .file(
            llb.mkdir("d", mode=0o755),
            llb.mkfile("d/f", "hi", mode=0o600),
            llb.symlink("d/f", "/w/l"),
            llb.copy(context(), "/a", "d/a"),
            llb.rm("d/f"),
        )
    )


@graph
def file_platform_ignored() -> State:
    base = llb.image("busybox", platform=ARM64)
    return base.file(llb.mkdir("/a", mode=0o755)).run(["true"]).root


# --- merge and diff


@graph
def merge_two() -> State:
    return llb.merge([busybox(), llb.scratch().file(llb.mkfile("/a", "a", mode=0o644))])


@graph
def merge_three_with_scratch() -> State:
    return llb.merge([llb.scratch(), busybox(), llb.scratch(), made("/a"), made("/b")])


@graph
def merge_one() -> State:
    return llb.merge([llb.scratch(), busybox()])


@graph
def merge_scratches() -> State:
    return llb.merge([llb.scratch(), llb.scratch()])


@graph
def merge_same_twice() -> State:
    base = busybox()
    return llb.merge([base, made("/a"), base])


@graph
def merge_keeps_first_meta() -> State:
    first = busybox().with_env("A", "1").with_cwd("/w")
    return llb.merge([first, alpine().with_env("B", "2")]).run(["env"]).root


@graph
def diff_exec() -> State:
    base = busybox()
    return llb.diff(base, base.run(["touch", "/a"]).root)


@graph
def diff_scratch_lower() -> State:
    return llb.diff(llb.scratch(), made("/a"))


@graph
def diff_scratch_upper() -> State:
    return llb.diff(busybox(), llb.scratch())


@graph
def diff_same() -> State:
    base = busybox()
    return llb.diff(base, base)


@graph
def merge_of_diffs() -> State:
    base = busybox()
    ones = [base.run(["touch", path]).root for path in ("/1", "/2")]
    return llb.merge([base, *(llb.diff(base, one) for one in ones)]).run(["ls"]).root


# --- whole graphs


@graph
def diamond() -> State:
    base = busybox()
    left, right = (base.run(["touch", path]).root for path in ("/l", "/r"))
    return left.file(llb.copy(right, "/r", "/r"))


@graph
def order_mounts() -> State:
    return true(
        llb.Bind("/z", alpine(), readonly=True),
        llb.Bind("/a", context(), readonly=True),
        llb.Bind("/m", llb.git(REPO, ref="main"), readonly=True),
    ).root


@graph
def order_file_chain() -> State:
    debian = llb.image("debian:12")
    return busybox().file(llb.copy(alpine(), "/a", "/a"), llb.copy(debian, "/b", "/b"))


@graph
def chain_200() -> State:
    state = busybox()
    for index in range(100):
        state = state.run(["touch", f"/e{index}"]).root
        state = state.file(llb.mkfile(f"/f{index}", str(index), mode=0o644))
    return state


@graph
def state_inheritance() -> State:
    state = (
        busybox()
        .with_env("A", "1")
        .with_cwd("/x")
        .with_user("u")
        .with_hostname("h")
        .with_network(llb.Network.NONE)
        .with_security(llb.Security.INSECURE)
        .with_extra_host("a", "10.0.0.1")
        .with_ulimit("nofile", 1, 2)
        .with_cgroup_parent("cg")
    )
    state = state.run(["one"]).root.file(llb.mkdir("sub", mode=0o755))
    return state.with_cwd("sub").with_env("B", "2").run(["two"]).root


@graph
def run_options_do_not_persist() -> State:
    one = busybox().run(["one"], env={"A": "1"}, cwd="/d", network=llb.Network.HOST)
    return one.root.run(["two"]).root


def _mounting() -> llb.Run:
    source = alpine().with_env("B", "2").with_cwd("/al")
    return busybox().with_env("A", "1").run(["one"], mounts=[llb.Bind("/m", source)])


@graph
def mount_output_keeps_source_meta() -> State:
    return _mounting().mount("/m").run(["two"]).root


@graph
def get_mount_has_no_meta() -> State:
    return State(_mounting().mount("/m").output).run(["two"]).root


@graph
def dir_absolute_not_cleaned() -> State:
    return busybox().with_cwd("/a/../b/").run(["true"]).root


@graph
def dir_relative_is_cleaned() -> State:
    return busybox().with_cwd("/a").with_cwd("../b/./c/").run(["true"]).root


@graph
def reset() -> State:
    base = busybox().with_env("A", "1").with_cwd("/base").with_user("u")
    other = alpine().with_env("B", "2").run(["make"]).root
    return other.with_context(replace(base.context, cwd="/")).run(["two"]).root


@graph
def network_on_state() -> State:
    one = busybox().with_network(llb.Network.HOST).run(["one"]).root
    return one.with_network(llb.Network.SANDBOX).run(["two"]).root


# --- metadata


@graph
def custom_names() -> State:
    state = llb.image("busybox", name="[1/3] base").run(["true"], name="[2/3] run").root
    return state.file(llb.mkdir("/a", mode=0o755), name="[3/3] dir")


@graph
def description() -> State:
    return true(meta=llb.Meta(description={"com.example.k": "v"}), name="n").root


@graph
def progress_group() -> State:
    group = llb.ProgressGroup("g1", "my group", weak=True)
    return true(meta=llb.Meta(progress_group=group)).root


@graph
def progress_group_strong() -> State:
    return true(meta=llb.Meta(progress_group=llb.ProgressGroup("g1", "my group"))).root


@graph
def ignore_cache() -> State:
    return true(meta=llb.Meta(ignore_cache=True)).root


@graph
def metadata_merged() -> State:
    base = busybox()
    first = base.run(["true"], name="first", meta=llb.Meta(ignore_cache=True)).root
    second = base.run(["true"], name="second").root
    return first.file(llb.copy(second, "/a", "/a"))


# --- platforms


@graph
def platform_arm64() -> State:
    return true().root


@graph
def platform_arm64_v8() -> State:
    return true().root


@graph
def platform_arm_v7() -> State:
    return true().root


@graph
def platform_of_image_normalised() -> State:
    return llb.image("busybox", platform=ARM64_V8).run(["true"]).root


@graph
def platform_on_state() -> State:
    return busybox().with_platform(ARM64_V8).run(["true"]).root


@graph
def caps_file_ops() -> State:
    copy = llb.copy(context(), "/*.tar", "/app/", always_replace=True, include=["a"])
    return busybox().file(copy, llb.mkfile("/f", "x", mode=0o644))
