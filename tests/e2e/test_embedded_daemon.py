"""Builds where no daemon runs: one of our own is started, here the Engine's ``dockerd``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

import buildkit_spec.reach
from buildkit_spec import BuildkitBuilder
from buildkit_spec.client import Wish, find_endpoint
from buildkit_spec.daemon import Folder, find_running, stop
from buildkit_spec.doctor import examine
from buildkit_spec.errors import DaemonNotFoundError, DaemonStartError, ExecError


@pytest.fixture(name="env")
def _env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _engine: None
) -> Iterator[dict[str, str]]:
    """A machine where nothing is set and nothing runs, with ``dockerd`` on its PATH."""
    programs = Path(os.environ["ENGINE_REGISTRY_BIN"]).parents[2]
    nowhere = str(tmp_path / "none.sock")
    # This machine may have daemons of its own.
    monkeypatch.setattr(
        buildkit_spec.reach,
        "find_endpoint",
        partial(find_endpoint, folder=tmp_path, buildkitd_socket=nowhere, docker_socket=nowhere),
    )
    env = {
        "HOME": str(tmp_path),
        "PATH": f"{programs}/usr/sbin:{programs}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
        "LD_LIBRARY_PATH": f"{programs}/lib-missing",
    }
    yield env
    stop(Folder.of(env))
    assert _left_soon(Folder.of(env)) == []


def _left_of(folder: Folder) -> list[str]:
    """Processes, mounts and sockets of a daemon."""
    found = []
    marks = (str(folder.root), str(folder.run))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                text += (entry / "mountinfo").read_bytes()
            except OSError:
                continue
            found += [f"{entry.name}: {mark}" for mark in marks if mark.encode() in text]
    # Not `rglob`: it fails when a folder goes away meanwhile.
    for place, _, names in os.walk(folder.run):
        found += [name for name in names if Path(place, name).is_socket()]
    return found


def _left_soon(folder: Folder) -> list[str]:
    """What is still left of a daemon when it had time to go."""
    deadline = time.monotonic() + 20
    while (found := _left_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_embedded_daemon_builds_and_is_used_again(
    env: dict[str, str], spec: MakeSpec, pulled: Pulled
) -> None:
    """The image is pushed; the next build has the same daemon, and its cache; a stop ends it."""
    builder = BuildkitBuilder(env=env)
    image = spec(commands=["echo once > /once"])
    result = builder.build(image)
    assert result.was_pushed
    assert pulled(result).path("once").read_text("utf-8") == "once\n"
    folder = Folder.of(env)
    first = find_running(folder)
    assert first is not None
    assert first.program == "dockerd"
    assert result.address == first.address
    again = builder.build(image, force=True)
    assert again.digest == result.digest
    assert again.cached_steps
    assert not [step for step in again.steps if not step.is_cached]
    with builder.connect() as client:
        assert client.is_docker_engine
    second = find_running(folder)
    assert second is not None
    assert second.started_s == first.started_s
    assert stop(folder) is not None
    assert _left_soon(folder) == []
    third = BuildkitBuilder(env=env, daemon="stop").build(image, force=True)
    assert third.digest == result.digest
    assert third.cached_steps  # the cache outlives the daemon


def test_embedded_daemon_ends_with_its_build(env: dict[str, str], spec: MakeSpec) -> None:
    """With ``stop`` nothing is left when the call returns, also of a build that fails."""
    builder = BuildkitBuilder(env=env | {"BUILDKIT_SPEC_DAEMON": "stop"})
    with pytest.raises(ExecError):
        builder.build(spec(commands=["exit 3"]))
    assert find_running(Folder.of(env)) is None
    assert _left_soon(Folder.of(env)) == []


def test_embedded_daemon_is_replaced_when_its_supervisor_was_killed(
    env: dict[str, str], spec: MakeSpec
) -> None:
    """All of it is gone with its supervisor, and the next build starts another."""
    builder = BuildkitBuilder(env=env)
    builder.build(spec(commands=["true"]))
    folder = Folder.of(env)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "python" in words[0] and str(folder.root) in words:
                os.kill(int(entry.name), signal.SIGKILL)
    assert find_running(folder) is None
    assert builder.build(spec(commands=["echo again"])).was_pushed


def test_embedded_daemon_may_be_refused(env: dict[str, str], spec: MakeSpec) -> None:
    """With ``never``, or without a program, the error says that there is no daemon."""
    with pytest.raises(DaemonNotFoundError):
        BuildkitBuilder(env=env, daemon="never").build(spec())
    with pytest.raises(DaemonNotFoundError):
        BuildkitBuilder(env=env | {"PATH": env["HOME"]}).build(spec())


def test_embedded_daemon_that_cannot_start_says_why(env: dict[str, str], spec: MakeSpec) -> None:
    """The error has the daemon's last words and its log."""
    env["PATH"] = env["PATH"].partition(":")[0]  # no containerd
    with pytest.raises(DaemonStartError, match="dockerd ended at once") as told:
        BuildkitBuilder(env=env).build(spec())
    assert "containerd" in "".join(told.value.log_tail)
    assert Path(told.value.path).read_text("utf-8")


def test_embedded_daemon_is_what_doctor_counts_on(env: dict[str, str]) -> None:
    """Where a build would start one, nothing is wrong; where it may not, there is no daemon."""
    first = next(iter(examine(Wish(), env)))
    never = next(iter(examine(Wish(), env | {"BUILDKIT_SPEC_DAEMON": "never"})))

    assert (first.subject, first.level) == ("address", "ok")
    assert "a build starts" in first.message
    assert "dockerd" in first.message
    assert (never.subject, never.level) == ("address", "bad")
    assert find_running(Folder.of(env)) is None
