"""`ToolStream`: a connection that another program carries over its standard input and output.

The program stands in a session of its own: Ctrl-C is ours to handle, and there is no terminal that
it, or what it starts, could ask a question on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import weakref
from collections.abc import Sequence

MAX_OUTPUT_BYTES = 8 * 1024
"""How much is kept of what a program says: the last of it."""

_LEAVE_S = 0.5
_JOIN_S = 1.0


class ToolStream(socket.socket):
    """Our end of a socket pair whose other end is a program's standard input and output.

    A `buildkit_spec.client.relay.Stream`. Closing it ends the program, which is also ended when
    this process exits.

    Args:
        command: Program and arguments, as they are: no shell sees them.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        near, far = socket.socketpair()
        with far:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - no shell; the user named the tool
                    command,
                    stdin=far.fileno(),
                    stdout=far.fileno(),
                    stderr=subprocess.PIPE,
                    # A program that is told in C speaks English, which is what we know.
                    env={**os.environ, "LC_ALL": "C"},
                    start_new_session=True,
                )
            except OSError:
                near.close()
                raise
        super().__init__(fileno=near.detach())
        self._output = bytearray()
        self._reader = threading.Thread(
            target=_keep_last, args=(self._process, self._output), name="tool-stderr", daemon=True
        )
        self._reader.start()
        # Runs at exit too, for those who never close: then it is ended at once.
        self._finalizer = weakref.finalize(self, _end, self._process, 0)

    def close(self) -> None:
        """Close the connection and see the program end; may be called again."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)  # a copy that `makefile` made may hold it open
        super().close()
        _end(self._process, _LEAVE_S)
        self._finalizer.detach()
        # What the program left behind may hold its standard error open: that is not waited for.
        self._reader.join(_JOIN_S)

    def output(self) -> str:
        """Return the last of what the program wrote to its standard error, until now."""
        return bytes(self._output).decode("utf-8", "replace")

    def exit_code(self, timeout_s: float) -> int | None:
        """Wait for the program to end by itself, and for all that it says.

        Args:
            timeout_s: How long, in seconds.

        Returns:
            Its exit code, negative for a signal; None when it still runs.
        """
        if _has_ended(self._process, timeout_s):
            self._reader.join(_JOIN_S)
        code: int | None = self._process.returncode
        return code


def _keep_last(process: subprocess.Popen[bytes], output: bytearray) -> None:
    assert process.stderr is not None
    with process.stderr as source:
        while piece := os.read(source.fileno(), MAX_OUTPUT_BYTES):
            output += piece
            del output[:-MAX_OUTPUT_BYTES]


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Wait for a program whose input has ended; end it, and what it started, if it does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _has_ended(process, patience_s):
            return
        # Nobody waited for it with success, so its number is still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        patience_s = _LEAVE_S
    _has_ended(process, _LEAVE_S)


def _has_ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
