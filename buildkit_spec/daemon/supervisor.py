"""The process that starts a daemon, counts its users, and stops it.

As root it is the first process of a process namespace of its own, in a mount namespace of its own:
when it ends, even killed, the kernel ends all that the daemon started and drops all its mounts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from buildkit_spec.daemon.folder import Folder
from buildkit_spec.daemon.program import Program, passed_on
from buildkit_spec.daemon.words import ASK, END, STOP, Running, encode_failure

_START_S = 60.0
_STOP_S = 20.0
_PAUSE_S = 0.05
_ASK_S = 1.0
_WORD_S = 5.0


class Supervisor:
    """Runs one daemon.

    Args:
        folder: Where it keeps its files.
        program: What to start.
        idle_s: After how long without a user it is stopped, in seconds.
    """

    def __init__(self, folder: Folder, program: Program, idle_s: float) -> None:
        self._folder = folder
        self._program = program
        self._idle_s = idle_s
        self._daemon: subprocess.Popen[bytes] | None = None
        self._exit_code: int | None = None
        self._is_asked_to_end = False
        self._users: dict[socket.socket, bytes] = {}
        self._last_left_s = 0.0

    def run(self) -> None:
        """Start the daemon, and return when it has been stopped and nothing is left of it."""
        self._clear()
        wake, waker = socket.socketpair()
        for one in (wake, waker):
            one.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._folder.socket))
            listener.listen(128)
            listener.setblocking(False)
            try:
                failure = self._start()
                if failure:
                    self._folder.socket.unlink(missing_ok=True)  # who comes now starts another
                    self._tell_all(listener, encode_failure(failure))
                else:
                    self._serve(listener, wake)
            finally:
                self._folder.socket.unlink(missing_ok=True)
                self._stop()
                self._clear()
                with contextlib.suppress(OSError):
                    self._folder.run.rmdir()

    def _on_term(self, *_: object) -> None:
        self._is_asked_to_end = True

    def _start(self) -> str:
        """Start the daemon and wait until it answers; return why it does not, or nothing."""
        command = self._program.command(self._folder)
        if os.getpid() != 1 and (setpriv := shutil.which("setpriv")):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        temporary = self._folder.run / "tmp"
        temporary.mkdir(mode=0o700)
        own = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(self._folder.run)}
        try:
            with self._folder.log.open("wb") as log:
                self._daemon = subprocess.Popen(  # noqa: S603 - no shell; a daemon of PATH
                    command, env={**passed_on(os.environ), **own}, cwd="/",
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
        except OSError as error:
            return f"{command[0]} cannot be run: {(error.strerror or str(error)).lower()}"
        deadline = time.monotonic() + _START_S
        while not self._is_ready():
            self._reap()
            if self._exit_code is not None:
                return f"{self._program.name} ended at once, with {_how(self._exit_code)}"
            if self._is_asked_to_end:
                return f"{self._program.name} was stopped while it started"
            if time.monotonic() > deadline:
                return f"{self._program.name} did not answer within {_START_S:g} s"
            time.sleep(_PAUSE_S)
        return ""

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(OSError):
            one.settimeout(_ASK_S)
            one.connect(str(self._program.socket(self._folder)))
            one.sendall(self._program.greeting)
            return bool(one.recv(1))
        return False

    def _serve(self, listener: socket.socket, wake: socket.socket) -> None:
        started_s, self._last_left_s = time.time(), time.monotonic()
        with selectors.DefaultSelector() as selector:
            for one in (listener, wake):
                selector.register(one, selectors.EVENT_READ)
            while not self._is_asked_to_end and self._exit_code is None:
                left_s = self._last_left_s + self._idle_s - time.monotonic()
                if not self._users and left_s <= 0:
                    return
                for key, _ in selector.select(None if self._users else left_s):
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if source is listener:
                        selector.register(self._accept(listener), selectors.EVENT_READ)
                    elif source is wake:
                        wake.recv(4096)
                        self._reap()
                    elif said := _heard(source):
                        self._users[source] = said
                        self._answer(source, started_s)
                        self._is_asked_to_end |= said == END
                    elif self._is_stopped_by_leaving(source):
                        # With its connection open: that it closes tells that all has ended.
                        self._is_asked_to_end = True
                        selector.unregister(source)
                    else:
                        selector.unregister(source)
                        self._leave(source)

    def _is_stopped_by_leaving(self, user: socket.socket) -> bool:
        return self._users[user] == STOP and self._user_count() == 1

    def _user_count(self) -> int:
        return sum(word not in (b"", ASK, END) for word in self._users.values())

    def _leave(self, user: socket.socket) -> None:
        if self._users.pop(user) not in (b"", ASK):
            self._last_left_s = time.monotonic()
        user.close()

    def _accept(self, listener: socket.socket) -> socket.socket:
        connection = listener.accept()[0]
        connection.settimeout(_WORD_S)
        self._users[connection] = b""
        return connection

    def _answer(self, connection: socket.socket, started_s: float) -> None:
        program, folder = self._program, self._folder
        running = Running(
            program.name,
            program.address(folder),
            program.network,
            str(folder.log),
            started_s,
            self._user_count(),
        )
        with contextlib.suppress(OSError):
            connection.sendall(running.encode())

    def _tell_all(self, listener: socket.socket, line: bytes) -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    connection.settimeout(_WORD_S)
                    connection.sendall(line)

    def _stop(self) -> None:
        if self._daemon is not None and self._exit_code is None:
            for sign, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
                with contextlib.suppress(ProcessLookupError):
                    self._daemon.send_signal(sign)
                deadline = time.monotonic() + patience_s
                while self._exit_code is None and time.monotonic() < deadline:
                    time.sleep(_PAUSE_S)
                    self._reap()
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # all of this namespace but ourselves
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.wait()

    def _reap(self) -> None:
        """Take note of processes that ended: orphans become the first process's children."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if self._daemon is not None and pid == self._daemon.pid:
                    self._exit_code = os.waitstatus_to_exitcode(status)
                    self._daemon.returncode = self._exit_code

    def _clear(self) -> None:
        for one in self._folder.run.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)
            else:
                one.unlink(missing_ok=True)


def _heard(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except OSError:
        return b""


def _how(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


def main(words: list[str]) -> None:
    """Run: root of the folder, program, its path, rootlesskit, idle seconds, lock's descriptor."""
    root, name, path, rootlesskit, idle_s, lock = words
    fcntl.flock(int(lock), fcntl.LOCK_EX)  # until what ran here before has ended
    folder = Folder.at(Path(root))
    Supervisor(folder, Program(name, path, rootlesskit), float(idle_s)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
