"""The HTTP API of a Docker Engine: the few requests that its BuildKit leaves to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from buildkit_spec.client._failure import one_line
from buildkit_spec.client.address import Address
from buildkit_spec.errors import ConnectionFailedError, ExportError, SolveCanceledError


class EngineApi:
    """Requests to one Engine, over its own socket: no proxy, no redirect, nobody else.

    Safe to use from several threads at once.

    Args:
        address: The Engine's, for messages; it was dialled before.
        open_stream: Connects to it.
    """

    def __init__(self, address: Address, open_stream: Callable[[], socket.socket]) -> None:
        self._address = address
        self._open_stream = open_stream
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_closed = False

    def close(self) -> None:
        """End the requests that run, here and on the Engine; later ones are refused."""
        with self._lock:
            self._is_closed = True
            for stream in self._open:
                with suppress(OSError):
                    stream.shutdown(socket.SHUT_RDWR)

    def post(self, path: str, headers: Mapping[str, str]) -> Generator[dict[str, Any], None, None]:
        """Send a request without a body, and yield the JSON objects of its answer as they come.

        What the Engine refuses is an object with ``error``, as what fails later is. Closing the
        generator ends the request, and the Engine stops what it does for it.

        Args:
            path: Quoted, without an API version: the Engine takes its own.
            headers: Sent as they are.

        Raises:
            ConnectionFailedError: The Engine is not there, or went away meanwhile.
            DeadlineExceededError: It did not take the connection in time.
            SolveCanceledError: `close` was called.

        Source: moby ``pkg/jsonmessage``, ``pkg/streamformatter``: each object is one line.
        """
        connection = _Connection(self._open_stream)
        try:
            connection.connect()
            with self._tracked(connection.sock):
                connection.request("POST", path, headers=dict(headers))
                with closing(connection.getresponse()) as answer:
                    for message in filter(None, map(_decode, answer)):
                        yield message if answer.status == HTTPStatus.OK else _refusal(message)
                    if answer.status != HTTPStatus.OK:
                        yield {"error": f"the Engine answered with status {answer.status}"}
        except (OSError, HTTPException) as error:
            raise self.lost(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def has(self, path: str) -> bool:
        """Whether the Engine has what a path names.

        Args:
            path: As for `post`.

        Raises:
            ConnectionFailedError: The Engine is not there, or went away meanwhile.
            DeadlineExceededError: It did not take the connection in time.
            SolveCanceledError: `close` was called.
        """
        connection = _Connection(self._open_stream)
        try:
            connection.connect()
            with self._tracked(connection.sock):
                connection.request("GET", path)
                return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException) as error:
            raise self.lost(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    @contextmanager
    def upload(self, path: str) -> Iterator[Callable[[bytes], None]]:
        """Send a request whose body comes in pieces; leaving the block waits for the answer.

        What is raised within breaks the request off. Yields what takes the next piece.

        Args:
            path: As for `post`.

        Raises:
            ExportError: The Engine refuses what was sent.
            ConnectionFailedError: The Engine is not there, or went away meanwhile.
            DeadlineExceededError: It did not take the connection in time.
            SolveCanceledError: `close` was called.

        Source: moby ``api/server/router/image/image_routes.go``, ``postImagesLoad``.
        """
        connection = _Connection(self._open_stream)
        try:
            connection.connect()
            with self._tracked(connection.sock):
                connection.putrequest("POST", path)
                connection.putheader("Content-Type", "application/x-tar")
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders()
                yield lambda data: _send_chunk(connection, data)
                connection.send(b"0\r\n\r\n")
                with closing(connection.getresponse()) as answer:
                    for message in filter(None, map(_decode, answer)):
                        is_refused = answer.status != HTTPStatus.OK
                        said = _refusal(message) if is_refused else message
                        if said.get("error"):
                            raise ExportError(
                                f"the Docker Engine at {self._address} did not load the image:"
                                f" {one_line(str(said['error']))}"
                            )
        except (OSError, HTTPException) as error:
            raise self.lost(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def lost(self, why: str) -> ConnectionFailedError | SolveCanceledError:
        """Return the error of an answer that broke off."""
        if self._is_closed:
            return _cancelled()
        return ConnectionFailedError(
            f"the connection to {self._address} broke: {why}",
            address=str(self._address),
            remedy="is the Engine still running? Its log says why it stopped",
        )

    @contextmanager
    def _tracked(self, stream: socket.socket) -> Iterator[None]:
        with self._lock:
            if self._is_closed:
                raise _cancelled()
            self._open.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(stream)


class _Connection(HTTPConnection):
    """HTTP over whatever an address names."""

    def __init__(self, open_stream: Callable[[], socket.socket]) -> None:
        super().__init__("docker")
        self._open_stream = open_stream

    def connect(self) -> None:
        self.sock = self._open_stream()
        # A registry may take its time: only who cancels ends a request that was begun.
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _send_chunk(connection: HTTPConnection, data: bytes) -> None:
    if data:  # an empty one would be the last
        connection.send(b"%x\r\n%b\r\n" % (len(data), data))


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _refusal(message: dict[str, Any]) -> dict[str, Any]:
    return {"error": str(message.get("message", message))}


def _cancelled() -> SolveCanceledError:
    return SolveCanceledError("the build was cancelled", code="CANCELLED")
