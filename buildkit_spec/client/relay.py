"""A byte relay: lets gRPC, which dials plain addresses only, speak over any other connection.

It listens on a unix socket in a directory of its own (mode 0700). For every connection gRPC opens
it opens one stream to the daemon and moves bytes both ways until both sides are done.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from buildkit_spec.client._own_folder import own_folder, remove_folder
from buildkit_spec.errors import BuildkitSpecError

_CHUNK_BYTES = 256 * 1024
_JOIN_S = 2.0
_PAUSE_S = 0.05


class Stream(Protocol):
    """A connection to a daemon, whatever carries it. A connected `socket.socket` is one.

    A subprocess is one too, when a socket pair is its standard input and output.
    """

    def recv_into(self, buffer: memoryview, /) -> int:
        """Wait for bytes; 0 is the end."""

    def sendall(self, data: memoryview, /) -> None:
        """Send bytes."""

    def shutdown(self, how: int, /) -> None:
        """End sending (``SHUT_WR``), or both ways (``SHUT_RDWR``): whoever waits is woken."""

    def close(self) -> None:
        """Free what it holds; it is shut down already."""


OpenStream = Callable[[], Stream]
"""Opens one connection to the daemon.

Raises:
    DaemonError: It cannot be opened.
"""


class Relay:
    """Relays connections to a private socket over streams that *open_stream* opens.

    Args:
        open_stream: Opens a stream; called at once, so that what is wrong is told here.

    Attributes:
        path: The private socket, for gRPC to dial.

    Raises:
        DaemonError: The first stream cannot be opened.
    """

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._spare: Stream | None = open_stream()
        directory, lock = own_folder()
        # Runs at exit too, for those who never close.
        self._remove = weakref.finalize(self, remove_folder, directory, lock)
        self.path = f"{directory}/relay.sock"
        self._open: set[Stream] = {self._spare}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._start(self._accept)

    def close(self) -> None:
        """Close every connection, remove the socket, end the threads; may be called again."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            streams, threads = list(self._open), list(self._threads)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as bell:
            bell.connect(self.path)  # wakes the accepting thread, on every system
        for stream in streams:
            _shut(stream)
        for thread in threads:
            thread.join(_JOIN_S)
        if self._spare is not None:
            self._spare.close()
        self._remove()

    def _start(self, work: Callable[..., None], *args: object) -> threading.Thread:
        def run() -> None:
            try:
                work(*args)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name="buildkit-relay", daemon=True)
        with self._lock:  # who closes joins what is in the set: it must be started by then
            thread.start()
            self._threads.add(thread)
        return thread

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    near, _ = self._listener.accept()
                except OSError:  # no descriptor left, for one: there will be some again
                    if self._is_closed:
                        return
                    time.sleep(_PAUSE_S)
                    continue
                if self._is_closed:
                    near.close()
                    return
                self._start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        with near:
            with self._lock:
                far, self._spare = self._spare, None
            try:
                far = far or self._open_stream()
            except BuildkitSpecError:
                return  # gRPC sees the connection close, and tells
            with contextlib.closing(far):
                with self._lock:
                    self._open.update((near, far))
                    is_late = self._is_closed
                if is_late:
                    _shut(near)
                    _shut(far)
                back = self._start(_pump, far, near)
                _pump(near, far)
                back.join()
                with self._lock:
                    self._open.difference_update((near, far))


def _pump(source: Stream, sink: Stream) -> None:
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


def _shut(one: Stream) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
