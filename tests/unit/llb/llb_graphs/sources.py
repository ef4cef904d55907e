"""Graphs of sources."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.llb import State
from llb_graphs.common import ARM64, REPO, A, context, graph

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
