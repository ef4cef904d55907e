"""Graphs of file actions."""

from __future__ import annotations

from dataclasses import replace

from buildkit_spec import llb
from buildkit_spec.llb import State
from llb_graphs.common import ARM64, NS, alpine, busybox, context, graph


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
