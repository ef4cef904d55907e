"""Graphs of several vertices: merges, diffs, order, metadata, platforms."""

from __future__ import annotations

from dataclasses import replace

from buildkit_spec import llb
from buildkit_spec.llb import State
from llb_graphs.common import ARM64_V8, REPO, alpine, busybox, context, graph, made, true

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
