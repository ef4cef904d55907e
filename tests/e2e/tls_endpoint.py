"""A BuildKit behind mutual TLS on a port: the Engine's own, with TLS ended in front of it.

What arrives on the port is gRPC, as at a `buildkitd`; the Engine gets it after its upgrade.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from buildkit_spec.client import Address
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.sockets import connect
from buildkit_spec.client.tls_stream import TlsStream


class TlsEndpoint:
    """Serves an Engine's BuildKit to clients with certificates.

    Attributes:
        port: Of 127.0.0.1, unless there is a listener already.
        clients: The common names of those that were let in, each once for a connection.
        refused: How many were not.
        heard: What clients sent, without TLS.
    """

    def __init__(
        self, certificates: Path, engine: Address, listener: socket.socket | None = None
    ) -> None:
        self._engine = engine
        self.clients: list[str] = []
        self.refused = 0
        self.heard = bytearray()
        self._context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem"
        )
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        self._context.set_alpn_protocols(["h2"])
        self._context.sslsocket_class = TlsStream
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Cut all connections, and end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    plain, _ = self._listener.accept()
                except OSError:
                    return
                self._open.add(plain)
                thread = threading.Thread(target=self._serve, args=(plain,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        self._open.discard(plain)
        try:
            near = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            self.refused += 1
            plain.close()
            return
        assert isinstance(near, TlsStream)
        self.clients.append(_common_name(near))
        near.share()
        far = open_docker_stream(self._engine, 10, lambda: connect(self._engine, 10))
        with near, far:
            self._open |= {near, far}
            back = threading.Thread(target=_pump, args=(far, near))
            back.start()
            _pump(near, far, self.heard)
            back.join()
            self._open -= {near, far}


@contextlib.contextmanager
def tls_endpoint(
    certificates: Path, engine: Address, listener: socket.socket | None = None
) -> Iterator[TlsEndpoint]:
    """Serve until the block is left."""
    endpoint = TlsEndpoint(certificates, engine, listener)
    try:
        yield endpoint
    finally:
        endpoint.close()


def _common_name(stream: ssl.SSLSocket) -> str:
    shown = stream.getpeercert() or {}
    subject = shown.get("subject", ())
    return next(str(value) for part in subject for key, value in part if key == "commonName")


def _pump(source: socket.socket, sink: socket.socket, heard: bytearray | None = None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if heard is not None:
                heard += data
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
