"""States: immutable, inspectable, cheap to hold however deep the graph."""

from __future__ import annotations

import dataclasses

import pytest

from buildkit_spec import llb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.values import Platform


def test_state_operations_leave_the_state_as_it_was() -> None:
    """Every operation returns another state; the one it was called on gives the same bytes."""
    state = llb.image("busybox").with_env("A", "1")
    before = state.marshal()

    state.with_envs({"A": "2", "B": "3"}).with_cwd("/x").run(["true"])
    state.file(llb.rm("/a"))

    assert state.marshal() == before
    assert state.env == {"A": "1"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.output = None  # type: ignore[misc]


def test_state_env_set_again_moves_to_the_end() -> None:
    """The order of the environment is the order of the last setting."""
    state = llb.scratch().with_envs({"A": "1", "B": "2"}).with_env("A", "3")

    assert list(state.env.items()) == [("B", "2"), ("A", "3")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["/src", "sub"], "/src/sub"),
        (["sub"], "/sub"),
        (["/a", "../b/./c/"], "/b/c"),
        (["/a", "/kept/as/../is/"], "/kept/as/../is/"),
        (["/a", "../../.."], "/"),
    ],
)
def test_state_cwd_joins_relative_paths(steps: list[str], expected: str) -> None:
    """A relative directory goes on from the one before; an absolute one is taken as written."""
    state = llb.scratch()
    for step in steps:
        state = state.with_cwd(step)

    assert state.cwd == expected


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")])
def test_state_refuses_bad_variables(name: str, value: str) -> None:
    """A variable no process could have is refused when it is set."""
    with pytest.raises(InvalidVertexError):
        llb.scratch().with_env(name, value)


def test_state_of_an_image_for_a_platform_has_the_platform() -> None:
    """What is built on an image of a platform runs on that platform, in its usual spelling."""
    assert llb.image("busybox", platform=Platform("linux", "arm64", "v8")).platform == Platform(
        "linux", "arm64"
    )


def test_state_repr_is_short_however_deep_the_graph() -> None:
    """A state's text form does not walk the graph."""
    state = llb.image("busybox", name="base")
    for index in range(5000):
        state = state.run(["true"], name=f"step {index}").root

    assert repr(state) == "State(<ExecVertex 'step 4999'>)"
    assert repr(llb.scratch()) == "State(scratch)"


def test_run_settings_end_with_the_command() -> None:
    """What is given to run alone is not in the state after it."""
    run = llb.image("busybox").run(["true"], env={"A": "1"}, user="u", cwd="/x", hostname="h")

    assert run.root.context == llb.image("busybox").context


def test_run_mount_goes_on_with_its_source() -> None:
    """A mount's result has the settings of what was mounted; a read-only one is its source."""
    source = llb.image("alpine").with_env("A", "1")
    run = llb.image("busybox").run(
        ["true"], mounts=[llb.Bind("/rw", source), llb.Bind("/ro", source, readonly=True)]
    )

    assert run.mount("/rw").context == source.context
    assert run.mount("/rw").output != source.output
    assert run.mount("/ro") is source


@pytest.mark.parametrize(
    "mount",
    [
        llb.Tmpfs("/m"),
        llb.CacheMount("/m", "c"),
        llb.Secret("/m", "s"),
        llb.SSH("/m"),
        llb.Bind("/m", llb.scratch(), has_output=False),
        llb.Bind("/other", llb.scratch()),
    ],
)
def test_run_mount_without_output_is_refused(mount: llb.Mount) -> None:
    """Only a bind mount that keeps its output has a result."""
    run = llb.image("busybox").run(["make"], mounts=[mount])

    with pytest.raises(InvalidVertexError, match=r"run 'make' has no output at '/m'"):
        run.mount("/m")


def test_run_mount_index_counts_only_mounts_with_output() -> None:
    """A mount's output number does not depend on mounts without output, wherever they sort.

    Source: moby/buildkit issue 1520.
    """
    for other in ("/a", "/c"):
        run = llb.image("busybox").run(
            ["true"], mounts=[llb.Bind("/b", llb.scratch()), llb.Tmpfs(other)]
        )
        output = run.mount("/b").output

        assert output is not None
        assert output.index == 1


@pytest.mark.parametrize(
    ("args", "mounts", "message"),
    [
        ([], [], "has no arguments"),
        ("echo hi", [], "one text, not a list"),
        (["true"], [llb.Tmpfs("/a"), llb.CacheMount("/a", "c")], "two mounts at '/a'"),
        (["true"], [llb.Bind("/", llb.scratch())], "two mounts at '/'"),
        (["true"], [llb.Secret("/a", "s"), llb.SSH("/a")], "two mounts at '/a'"),
    ],
)
def test_run_refuses_what_no_command_can_be(
    args: list[str], mounts: list[llb.Mount], message: str
) -> None:
    """A command needs arguments, as a list, and one mount a target."""
    with pytest.raises(InvalidVertexError, match=message):
        llb.image("busybox").run(args, mounts=mounts)


def test_shlex_splits_as_a_shell_does() -> None:
    """Quotes and backslashes hold together what belongs together."""
    assert llb.shlex('sh -c \'a "b"\' c\\ d ""') == ("sh", "-c", 'a "b"', "c d", "")
    with pytest.raises(InvalidVertexError, match="No closing quotation"):
        llb.shlex("echo 'open")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: llb.CacheMount("/c", ""), "cache mount at '/c' has no id"),
        (lambda: llb.CacheMount("", "c"), "cache mount has no target"),
        (lambda: llb.Bind("", llb.scratch()), "bind mount has no target"),
        (lambda: llb.Tmpfs("/t", -1), "negative size"),
        (lambda: llb.Secret("/s", ""), "secret mount at '/s' has no id"),
        (lambda: llb.Secret("/s", "s", mode=0o10000), "mode 0o10000"),
        (lambda: llb.SSH(mode=-1), "mode -0o1"),
        (lambda: llb.SecretEnv("", "s"), "bad name"),
        (lambda: llb.SecretEnv("A=B", "s"), "bad name"),
        (lambda: llb.SecretEnv("A", ""), "has no id"),
        (lambda: llb.ExtraHost("db", "db.example.com"), "has no IP address"),
        (lambda: llb.ExtraHost("", "10.0.0.1"), "has no name"),
    ],
)
def test_values_of_a_run_are_checked_when_made(make: object, message: str) -> None:
    """A value that breaks its rule never gets into a graph."""
    with pytest.raises(InvalidVertexError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_extra_host_address_is_spelled_as_go_spells_it(given: str, expected: str) -> None:
    """Two spellings of one address make one vertex."""
    assert llb.ExtraHost("db", given).ip == expected


def test_text_that_cannot_be_encoded_is_an_invalid_vertex() -> None:
    """A file name that is not Unicode is reported with the vertex it is in."""
    state = llb.scratch().file(llb.mkdir("/\udcff"), name="make it")

    with pytest.raises(InvalidVertexError, match="vertex 'make it' cannot be encoded"):
        state.marshal()
