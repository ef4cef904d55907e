"""A TCP port that leads to a unix socket or another port, and can be cut or swallow all."""

from __future__ import annotations

import contextlib
import socket
import threading


class Forwarder:
    """Forwards connections to a unix socket, or to host and port; a context manager.

    They come to a free loopback port, unless there is a listener already.
    """

    def __init__(
        self, target: str | tuple[str, int], listener: socket.socket | None = None
    ) -> None:
        self._target = target
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_held = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Break every connection that is open now."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Swallow all that is sent from now on, as the way to a machine that vanished does."""
        self._is_held.set()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    near, _ = self._listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=self._serve, args=(near,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, near: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
        with near, socket.socket(family) as far:
            far.connect(self._target)
            self._open |= {near, far}
            back = threading.Thread(target=_pump, args=(far, near, self._is_held))
            back.start()
            _pump(near, far, self._is_held)
            back.join()
            self._open -= {near, far}


def _pump(source: socket.socket, sink: socket.socket, is_held: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if not is_held.is_set():
                sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
