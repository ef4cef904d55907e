"""The embedded daemon as builds see it: join one that runs, or start it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from buildkit_spec.daemon.folder import Folder
from buildkit_spec.daemon.program import Program, passed_on
from buildkit_spec.daemon.words import ASK, END, KEEP, STOP, Running, decode
from buildkit_spec.errors import DaemonStartError

IDLE_S = 600.0
"""After how long without a build the daemon is stopped, in seconds."""

_PATIENCE_S = 120.0
"""For an old daemon to stop and a new one to start."""
_PAUSE_S = 0.02
_TAIL_LINES = 15
_ELSEWHERE = "or name another daemon: export BUILDKIT_HOST=tcp://HOST:1234"


class EmbeddedDaemon:
    """A daemon of this machine that is being used; a context manager that leaves it.

    Attributes:
        running: What runs.
    """

    def __init__(self, connection: socket.socket, running: Running, *, is_stopped: bool) -> None:
        self.running = running
        self._connection = connection
        self._is_stopped = is_stopped

    def __enter__(self) -> EmbeddedDaemon:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave it. If it is to be stopped and nobody else uses it, it has ended on return."""
        if self._is_stopped:
            self._is_stopped = False
            _wait_for_end(self._connection)
        self._connection.close()


def join(
    program: Program,
    folder: Folder,
    *,
    is_stopped: bool = False,
    idle_s: float = IDLE_S,
    env: Mapping[str, str] = os.environ,
) -> EmbeddedDaemon:
    """Use the daemon that runs in *folder*; start it if none does.

    Args:
        program: What to start.
        folder: Where.
        is_stopped: Whether it is to be stopped when the last who uses it leaves; else it is
            stopped when nobody used it for a while.
        idle_s: For how long, in seconds; of one that runs already it stays as it is.
        env: The environment, of which the daemon gets what it needs, and no more.

    Raises:
        DaemonStartError: It does not start; with the last it said.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        supervisor = None
        with folder.turn():
            connection = _connect(folder)
            if connection is None:
                supervisor = _start_supervisor(program, folder, idle_s, env)
                connection = _await_socket(folder, supervisor, deadline)
        said = _ask(connection, STOP if is_stopped else KEEP, folder)
        if isinstance(said, Running):
            return EmbeddedDaemon(connection, said, is_stopped=is_stopped)
        connection.close()
        if said:
            raise _failed(said, folder.log)
        # It was just about to end, for want of users.
        if time.monotonic() > deadline or supervisor is not None:
            raise _failed("the daemon's supervisor ended", folder.supervisor_log)


def find_running(folder: Folder) -> Running | None:
    """Return the daemon that runs in *folder*, or None; one that is just starting is waited for.

    Raises:
        DaemonStartError: It does not start; with the last it said.
    """
    connection = _connect(folder)
    if connection is None:
        return None
    with connection:
        said = _ask(connection, ASK, folder)
    if isinstance(said, str) and said:
        raise _failed(said, folder.log)
    return said if isinstance(said, Running) else None


def stop(folder: Folder) -> Running | None:
    """Stop the daemon that runs in *folder*, with the builds on it; return what ran, or None."""
    connection = _connect(folder)
    if connection is None:
        return None
    with connection:
        said = _ask(connection, END, folder)
        _wait_for_end(connection)
    return said if isinstance(said, Running) else None


def _connect(folder: Folder) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_PATIENCE_S)
        connection.connect(str(folder.socket))
    except (FileNotFoundError, ConnectionRefusedError):  # refused: it was killed
        connection.close()
        return None
    return connection


def _start_supervisor(
    program: Program, folder: Folder, idle_s: float, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    isolated = _isolation() if os.geteuid() == 0 else []
    package = Path(__file__).parents[2]
    life = os.open(folder.life, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with folder.supervisor_log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - no shell; our own words
                [
                    *isolated, sys.executable, "-m", "buildkit_spec.daemon.supervisor",
                    str(folder.root), program.name, program.path, program.rootlesskit,
                    str(idle_s), str(life),
                ],
                env={**passed_on(env), "PYTHONPATH": str(package)},
                cwd="/", start_new_session=True, pass_fds=(life,),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
    finally:
        os.close(life)


def _isolation() -> list[str]:
    """Return what begins namespaces for mounts and processes, which end with their first process.

    Raises:
        DaemonStartError: This machine lacks it.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), os.defpath])
    unshare = shutil.which("unshare", path=path)
    if unshare is None:
        raise DaemonStartError(
            "a daemon of our own needs unshare, which is not installed",
            remedy="apt-get install util-linux",
        )
    return [unshare, "--mount", "--pid", "--fork", "--mount-proc"]


def _await_socket(
    folder: Folder, supervisor: subprocess.Popen[bytes], deadline: float
) -> socket.socket:
    while True:
        connection = _connect(folder)
        if connection is not None:
            supervisor.returncode = 0  # from here on nobody waits for it
            return connection
        if supervisor.poll() is not None:
            raise _failed("the daemon's supervisor ended at once", folder.supervisor_log)
        if time.monotonic() > deadline:
            supervisor.kill()
            supervisor.wait()
            raise _failed("the daemon that ran before does not end", folder.log)
        time.sleep(_PAUSE_S)


def _ask(connection: socket.socket, word: bytes, folder: Folder) -> Running | str:
    """Return what runs, or why nothing does; nothing when the supervisor says nothing."""
    with contextlib.suppress(OSError), connection.makefile("rb") as stream:
        connection.sendall(word)
        line = stream.readline()
        try:
            return decode(line) if line else ""
        except ValueError:
            return f"the daemon in {folder.root} was started by another release"
    return ""


def _wait_for_end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def _failed(message: str, log: Path) -> DaemonStartError:
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    tail = [line for line in lines if line.strip()][-_TAIL_LINES:]
    return DaemonStartError(
        message, path=str(log), log_tail=tail, remedy=f"read {log}, {_ELSEWHERE}"
    )
