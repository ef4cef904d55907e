"""The embedded daemon, with a stand-in for ``buildkitd``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_stand_in import StandIn, processes_of

from buildkit_spec.daemon import (
    EmbeddedDaemon,
    Folder,
    Program,
    find_program,
    find_running,
    join,
    stop,
)
from buildkit_spec.errors import DaemonStartError

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the daemons run on Linux"
)


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder.at(tmp_path / "daemon")
    yield folder
    stop(folder)
    assert _soon(lambda: not processes_of(tmp_path))


@pytest.fixture(name="program")
def _program(stand_in: StandIn) -> Program:
    program = find_program({"PATH": str(stand_in.programs)})
    assert program is not None
    return program


def _soon(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def _pid_of(*words: str) -> int:
    """Number of the one process with these words that only Python runs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if set(words) <= set(line) and "python" in line[0]:
                found.append(int(entry.name))
    assert len(found) == 1
    return found[0]


def test_daemon_is_started_and_shared(stand_in: StandIn, folder: Folder, program: Program) -> None:
    """The second build uses the daemon that the first started."""
    with join(program, folder) as first, join(program, folder) as second:
        assert first.running.address == second.running.address
        assert first.running.address.startswith("unix:///")
        assert Path(first.running.address.removeprefix("unix://")).is_socket()
        assert (first.running.user_count, second.running.user_count) == (1, 2)
    assert stand_in.start_count == 1


def test_daemon_is_started_once_by_builds_at_once(
    stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """Eight builds that begin together share one daemon."""
    found: list[EmbeddedDaemon] = []
    threads = [
        threading.Thread(target=lambda: found.append(join(program, folder))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        one.close()
    assert len(found) == 8
    assert stand_in.start_count == 1


def test_daemon_ends_with_all_it_started(
    tmp_path: Path, stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """A stop leaves no process, not even one that left its session, and no socket."""
    with join(program, folder):
        assert len(processes_of(stand_in.programs)) >= 1
    told = stop(folder)
    assert told is not None
    assert told.program == "buildkitd"
    assert not folder.run.exists()
    assert _soon(lambda: not processes_of(tmp_path))
    assert find_running(folder) is None
    assert stop(folder) is None


def test_daemon_is_stopped_by_the_last_to_leave(
    tmp_path: Path, stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """Who wants it stopped does not take it away from another build, whose word counts then."""
    other = join(program, folder, is_stopped=True)
    with join(program, folder, is_stopped=True):
        pass
    assert find_running(folder) is not None
    other.close()
    assert not folder.run.exists()
    assert _soon(lambda: not processes_of(tmp_path))
    assert stand_in.start_count == 1


def test_daemon_ends_when_it_is_idle(tmp_path: Path, folder: Folder, program: Program) -> None:
    """Without a user for a while it ends of itself."""
    join(program, folder, idle_s=0.2).close()
    assert _soon(lambda: not processes_of(tmp_path))
    assert not folder.run.exists()


def test_daemon_counts_a_killed_build_as_gone(
    tmp_path: Path, stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """A build that is killed is no user any more."""
    script = (
        "import sys, time; from pathlib import Path;"
        "from buildkit_spec.daemon import Folder, find_program, join;"
        "import os; held = join(find_program(os.environ), Folder.at(Path(sys.argv[1])), idle_s=.2);"
        "print('joined', flush=True); time.sleep(600)"
    )
    env = {**os.environ, "PATH": str(stand_in.programs)}
    words = [sys.executable, "-c", script, str(folder.root)]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "joined\n"
        build.kill()
    assert _soon(lambda: not processes_of(tmp_path))


def test_daemon_that_ends_at_start_shows_its_last_words(
    stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """The error has the log's end and its path."""
    stand_in.broken.touch()
    with pytest.raises(DaemonStartError, match="buildkitd ended at once, with exit code 1") as told:
        join(program, folder)
    assert told.value.log_tail[-1] == "no kernel for this"
    assert told.value.path == str(folder.log)
    stand_in.broken.unlink()
    with join(program, folder):
        assert find_running(folder) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process namespace")
def test_daemon_of_a_killed_supervisor_is_gone_with_it(
    tmp_path: Path, stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """The kernel ends what a killed supervisor started; the next build starts afresh."""
    join(program, folder).close()
    os.kill(_pid_of("buildkit_spec.daemon.supervisor", str(folder.root)), signal.SIGKILL)
    assert _soon(lambda: not processes_of(tmp_path))
    assert folder.socket.is_socket()
    assert find_running(folder) is None
    with join(program, folder) as again:
        assert again.running.user_count == 1
    assert stand_in.start_count == 2


def test_daemon_that_dies_is_started_again(
    stand_in: StandIn, folder: Folder, program: Program, tmp_path: Path
) -> None:
    """Its supervisor ends with it."""
    with join(program, folder):
        os.kill(_pid_of(str(stand_in.programs / "buildkitd"), "--addr"), signal.SIGKILL)
        assert _soon(lambda: not processes_of(tmp_path))
    with join(program, folder):
        assert stand_in.start_count == 2


def test_daemon_gets_no_tokens(
    monkeypatch: pytest.MonkeyPatch, stand_in: StandIn, folder: Folder, program: Program
) -> None:
    """A daemon outlives the build, whose secrets are none of its business; proxies are."""
    env = {**os.environ, "GITHUB_TOKEN": "secret", "https_proxy": "http://proxy:3128"}
    with join(program, folder, env=env):
        assert "GITHUB_TOKEN" not in stand_in.variables
        assert "https_proxy" in stand_in.variables


def test_daemon_folder_is_private(tmp_path: Path) -> None:
    """Nobody else may read it; one with a long path has its sockets elsewhere, as privately."""
    long = tmp_path / ("x" * 80) / "daemon"
    for folder in (Folder.at(tmp_path / "short"), Folder.at(long)):
        assert folder.root.stat().st_mode & 0o777 == 0o700
        assert folder.run.stat().st_mode & 0o777 == 0o700
    assert not Folder.at(long).run.is_relative_to(tmp_path)
    assert Folder.at(long) == Folder.at(long)
    Folder.at(long).run.rmdir()


def test_daemon_program_is_found_on_path(tmp_path: Path) -> None:
    """Without a daemon on PATH there is none to start; ``dockerd`` needs root."""
    assert find_program({"PATH": str(tmp_path)}) is None
    for name in ("dockerd", "rootlesskit", "buildkitd"):
        (tmp_path / name).write_text("#!/bin/sh\n", "utf-8")
        (tmp_path / name).chmod(0o755)
        found = find_program({"PATH": str(tmp_path)})
        if os.geteuid() == 0:
            assert found is not None
            assert found.name == ("buildkitd" if name == "buildkitd" else "dockerd")
            assert not found.rootlesskit
        else:
            assert (found is not None) == (name == "buildkitd")
