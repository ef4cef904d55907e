"""The daemon's side of a session: gRPC's own client, and a receiver of fsutil's protocol."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from buildkit_spec._pb import filesync
from buildkit_spec._pb._method import Method
from buildkit_spec._pb.fsutil import Packet, Stat
from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.session import Attachable
from buildkit_spec.session._server import Server

TIMEOUT_S = 20.0

# Go's os.ModeType: directory, symlink, device, pipe, socket, character device, irregular.
GO_TYPE = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


class Answers:
    """An attachable of plain functions."""

    def __init__(self, methods: Mapping[Method[Any, Any], Callable[[Any], None]]) -> None:
        self._methods = methods

    def methods(self) -> Mapping[Method[Any, Any], Callable[[Any], None]]:
        return self._methods


class Served:
    """A server that one gRPC client calls through a socket."""

    def __init__(self, attachables: Sequence[Attachable], path: Path) -> None:
        self.failures: list[BuildkitSpecError] = []
        handlers: dict[Method[Any, Any], Any] = {}
        for attachable in attachables:
            handlers.update(attachable.methods())
        self.server = Server(handlers, self.failures.append)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self.channel = grpc.insecure_channel(
            f"unix:{path}",
            options=[
                ("grpc.default_authority", "localhost"),
                ("grpc.max_receive_message_length", 32 << 20),
                ("grpc.max_send_message_length", 32 << 20),
            ],
        )
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def _run(self) -> None:
        with contextlib.suppress(OSError), self._listener:
            connection, _ = self._listener.accept()
        with connection:
            writer = threading.Thread(target=self._write, args=(connection,), daemon=True)
            writer.start()
            with contextlib.suppress(OSError):
                while data := connection.recv(1 << 16):
                    self.server.receive(data)
            self.server.close()
            writer.join(TIMEOUT_S)

    def _write(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := self.server.outgoing()) is not None:
                connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def unary(self, method: Method[Any, Any], request: Any, **options: Any) -> Any:
        """Call a method with one request and one answer."""
        call = self.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call(request, timeout=TIMEOUT_S, **options)

    def stream(self, method: Method[Any, Any], requests: Iterator[Any], **options: Any) -> Any:
        """Call a method with streams both ways."""
        call = self.channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call(requests, timeout=TIMEOUT_S, **options)

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.channel.close()
        self._listener.close()
        self.server.close()
        for thread in self._threads:
            thread.join(TIMEOUT_S)


class Received:
    """A directory as it came over the wire."""

    def __init__(self) -> None:
        self.stats: list[Stat] = []
        self.contents: dict[str, bytes] = {}
        self.error = ""

    @property
    def paths(self) -> list[str]:
        return [stat.path for stat in self.stats]

    def stat(self, path: str) -> Stat:
        return next(stat for stat in self.stats if stat.path == path)


def receive(
    served: Served,
    name: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    on_listed: Callable[[], None] = lambda: None,
    wants: Callable[[Stat], bool] = lambda stat: True,
) -> Received:
    """Take a directory as fsutil's receiver does, and check that the sender keeps its rules.

    Raises:
        grpc.RpcError: The call ended with another status than OK.
    """
    requests: queue.SimpleQueue[Packet | None] = queue.SimpleQueue()
    received = Received()
    asked: dict[int, bytearray] = {}
    metadata = (("dir-name", name), *headers)
    stream = served.stream(filesync.FileSync.DiffCopy, iter(requests.get, None), metadata=metadata)
    is_listed = is_finished = False

    def finish_when_done() -> None:
        if is_listed and not asked:
            requests.put(Packet(type=Packet.PACKET_FIN))

    try:
        for packet in stream:
            assert not is_finished
            if packet.type == Packet.PACKET_ERR:
                received.error = packet.data.decode()
            elif packet.type == Packet.PACKET_FIN:
                is_finished = True
                requests.put(None)
            elif packet.type == Packet.PACKET_STAT and not packet.HasField("stat"):
                on_listed()
                is_listed = True
                for index, stat in enumerate(received.stats):
                    if not stat.mode & GO_TYPE and not stat.linkname and wants(stat):
                        asked[index] = bytearray()
                for index in list(asked):
                    requests.put(Packet(type=Packet.PACKET_REQ, ID=index))
                finish_when_done()
            elif packet.type == Packet.PACKET_STAT:
                assert not is_listed
                received.stats.append(packet.stat)
            elif packet.data:
                asked[packet.ID] += packet.data
            else:
                received.contents[received.stats[packet.ID].path] = bytes(asked.pop(packet.ID))
                finish_when_done()
    finally:
        requests.put(None)
    return received
