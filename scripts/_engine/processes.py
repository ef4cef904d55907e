"""Daemons started detached, found again by their executable, and stopped without leftovers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from _engine import EngineFailure
from _engine.layout import Layout
from _engine.run import admin_path, succeeds

REGISTRY = "docker-registry"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


def start(
    layout: Layout, program: str, command: Sequence[str | Path], answers: Callable[[], str]
) -> str:
    """Start a daemon that outlives this process and wait until it answers.

    Args:
        layout: Whose daemon it is.
        program: Name for the log and pid files.
        command: The daemon and its arguments.
        answers: Asks the daemon; its version when it answers, else an empty text.

    Returns:
        What `answers` said.

    Raises:
        EngineFailure: The daemon ended, or did not answer in time; with its log.
    """
    log, binaries = layout.log(program), layout.programs
    env = {
        **os.environ,
        "PATH": f"{binaries}/usr/sbin:{binaries}/usr/bin:{admin_path()}",
        "LD_LIBRARY_PATH": f"{binaries}/lib-missing",
    }
    env.pop("NOTIFY_SOCKET", None)
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [str(word) for word in command], env=env, cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    layout.pid_file(program).write_text(f"{daemon.pid}\n", "utf-8")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if answer := answers():
            daemon.returncode = 0  # from here on nobody waits for it
            return answer
        if daemon.poll() is not None:
            raise EngineFailure(f"{program} ended with code {daemon.returncode}", log=log)
        time.sleep(0.1)
    raise EngineFailure(f"{program} did not answer in {_START_TIMEOUT_S:.0f} s", log=log)


def pid_of(layout: Layout, program: str) -> int:
    """Process id of a daemon started by `start` that still runs, else 0."""
    try:
        pid = int(layout.pid_file(program).read_text("utf-8"))
    except (OSError, ValueError):
        return 0
    return pid if _our_program(layout, Path(f"/proc/{pid}")) else 0


def stop_registry(layout: Layout) -> None:
    """Stop the suite's registry, but not others started from the same program."""
    if pid := pid_of(layout, REGISTRY):
        _end([pid], lambda: {pid} & _running(layout).keys())


def stop_engine(layout: Layout) -> None:
    """Stop dockerd, then whatever of it is left: containerd, steps, mounts, pid files."""
    daemons = {pid for pid, name in _running(layout).items() if name == "dockerd"}
    _end(daemons, lambda: _running(layout).keys() & daemons)
    for step in _steps(layout):  # first processes of their namespace: they ignore SIGTERM
        with contextlib.suppress(ProcessLookupError):
            os.kill(step, signal.SIGKILL)
    parts = {pid for pid, name in _running(layout).items() if name != REGISTRY}
    _end(parts, lambda: (_running(layout).keys() & parts) | _steps(layout))
    unmount_below(layout.home)
    shutil.rmtree(layout.exec_root, ignore_errors=True)  # a stale pid file delays the next start
    for leftover in (layout.pid_file("dockerd"), layout.home / "docker.pid", layout.socket):
        leftover.unlink(missing_ok=True)


def stop_all(layout: Layout) -> None:
    """Stop everything that runs from the suite's folder."""
    stop_engine(layout)
    _end(_running(layout).keys(), lambda: _running(layout).keys())
    layout.pid_file(REGISTRY).unlink(missing_ok=True)


def mount_points() -> list[str]:
    """Where something is mounted, oldest first."""
    mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape")
    return [
        re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
        for line in mountinfo.splitlines()
    ]


def unmount_below(folder: Path) -> None:
    """Unmount everything mounted below a folder, innermost first."""
    for point in reversed(mount_points()):
        if point.startswith(f"{folder}/") and not succeeds(["umount", point]):
            succeeds(["umount", "--lazy", point])


def _running(layout: Layout) -> dict[int, str]:
    """Processes whose executable lies in the suite's folder, and the executables' names."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (program := _our_program(layout, entry)):
            found[int(entry.name)] = program
    return found


def _our_program(layout: Layout, process: Path) -> str:
    """Name of the program a process runs from the suite's folder, or an empty text."""
    try:
        link = str((process / "exe").readlink())
        executable = Path(link.removesuffix(" (deleted)"))
        # the same path in a chroot is another file
        is_ours = link.endswith(" (deleted)") or executable.samefile(process / "exe")
    except OSError:
        return ""
    return executable.name if is_ours and executable.is_relative_to(layout.programs) else ""


def is_any_running(layout: Layout) -> bool:
    """Whether any process runs from the suite's folder."""
    return bool(_running(layout))


def _steps(layout: Layout) -> set[int]:
    """Processes of build steps: their root is a mount that keeps its files in our data folder."""
    found = set()
    own = Path("/proc/self/ns/mnt").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns/mnt").readlink() != own:
                    mounts = (entry / "mountinfo").read_text("utf-8", errors="replace")
                    roots = (line for line in mounts.splitlines() if line.split()[4] == "/")
                    if any(f"={layout.data}/" in root for root in roots):
                        found.add(int(entry.name))
    return found


def _end(pids: Iterable[int], left: Callable[[], Iterable[int]]) -> None:
    """Ask processes to end, wait, then kill those that did not."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while remaining := list(left()):
        for pid in remaining:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)  # a child of ours would stay a zombie
        if time.monotonic() > deadline:
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            deadline += _STOP_TIMEOUT_S
        time.sleep(0.05)
