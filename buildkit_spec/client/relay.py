"""A byte relay: lets gRPC, which dials plain addresses only, speak over any other connection.

It listens on a unix socket in a directory of its own (mode 0700). For every connection gRPC opens
it opens one stream to the daemon and moves bytes both ways until either side is done.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from buildkit_spec.errors import BuildkitSpecError

_CHUNK_BYTES = 256 * 1024

OpenStream = Callable[[], socket.socket]
"""Opens one connection to the daemon.

Raises:
    DaemonError: It cannot be opened.
"""


class Relay:
    """Relays connections to a private socket over streams that *open_stream* opens.

    Attributes:
        path: The private socket, for gRPC to dial.
        error: Why the last stream could not be opened; None when all could.
    """

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._directory = Path(tempfile.mkdtemp(prefix="buildkit-spec-"))
        self.path = str(self._directory / "relay.sock")
        self.error: BuildkitSpecError | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        threading.Thread(target=self._accept, name="relay-accept", daemon=True).start()

    def close(self) -> None:
        """Close every connection and remove the socket; may be called again."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            doomed = [self._listener, *self._open]
        for one in doomed:
            _shut(one)
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(
                target=self._serve, args=(near,), name="relay-open", daemon=True
            ).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = self._open_stream()
        except BuildkitSpecError as error:
            self.error = error
            near.close()
            return
        self.error = None
        with self._lock:
            is_late = self._is_closed
            self._open.update((near, far))
        if is_late:
            _shut(near)
            _shut(far)
        back = threading.Thread(target=_pump, args=(far, near), name="relay-in", daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        with self._lock:
            self._open.difference_update((near, far))
        near.close()
        far.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Move bytes until *source* ends, then tell *sink* that no more will come."""
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    try:
        while count := source.recv_into(buffer):
            sink.sendall(buffer[:count])
    except OSError:
        _shut(source)
        _shut(sink)
        return
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
