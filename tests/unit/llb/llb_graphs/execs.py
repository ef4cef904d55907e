"""Graphs of commands."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.llb import State
from llb_graphs.common import alpine, busybox, graph, true


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
