"""A small Docker Engine in this process: it answers one request as a test wants."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from buildkit_spec.client import Address


class Request(BaseHTTPRequestHandler):
    """One request; a test's `Answer` writes to it."""

    protocol_version = "HTTP/1.1"

    def begin(self, status: int = 200) -> None:
        """Send the head of an answer that comes in chunks."""
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def say(self, *lines: bytes) -> None:
        """Send lines, each in a chunk of its own."""
        for line in lines:
            self.wfile.write(b"%x\r\n%s\r\n\r\n" % (len(line) + 2, line))
            self.wfile.flush()

    def end(self) -> None:
        """Send the last chunk."""
        self.wfile.write(b"0\r\n\r\n")

    def is_left(self) -> bool:
        """Wait until the client hangs up."""
        self.connection.settimeout(10)
        return self.connection.recv(1) == b""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, FakeEngine)
        server.requests.append((self.path, dict(self.headers)))
        server.answer(self)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


Answer = Callable[[Request], None]


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Listens on a socket; a context manager.

    Attributes:
        answer: What answers a request.
        requests: Path and headers of what was asked.
        address: Where it listens.
    """

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Request)
        self.answer: Answer = lambda request: request.end()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.address = Address("docker", path)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FakeEngine:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
