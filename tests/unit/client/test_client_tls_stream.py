"""A Docker Engine over TLS: its stream. What goes wrong is in `test_client_tls.py`."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon
from tls_proxy import make_certificate, tls_proxy

from buildkit_spec.client import Address, Client, Tls
from buildkit_spec.client.tls_stream import open_tls_stream


@contextlib.contextmanager
def listening(answer: str) -> Iterator[str]:
    """A unix socket that sends back what comes, or is an Engine in front of a daemon."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # short enough for a socket
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(f"{home}/s.sock")
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    with near:
                        _answer(near, answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{home}/s.sock"
        listener.shutdown(socket.SHUT_RDWR)


def _answer(near: socket.socket, daemon: str) -> None:
    if not daemon:
        _pump(near, near)
        return
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += near.recv(1)
    if not head.startswith(b"POST /grpc "):
        near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return
    near.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
    with socket.socket(socket.AF_UNIX) as far:
        far.connect(daemon)
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(name="tls")
def _tls(tmp_path: Path) -> Tls:
    return make_certificate(tmp_path / "tls")


def test_engine_is_reached_over_tls(daemon: FakeDaemon, tls: Tls) -> None:
    """The upgrade to gRPC, and gRPC, go through TLS with certificates on both sides."""
    with listening(daemon.address.path) as path, tls_proxy(path, tls) as port:
        address = Address("docker", host="127.0.0.1", port=port)
        with Client(address, tls=tls) as client:
            assert client.info().package == "fake"
            assert client.workers() == ()


def test_both_directions_go_at_once(tls: Tls) -> None:
    """A reader and a writer on two threads get every byte through, in order."""
    sent = os.urandom(8_000_000)
    with listening("") as path, tls_proxy(path, tls) as port:
        stream = open_tls_stream(Address("docker", host="127.0.0.1", port=port), tls, 10)
        stream.settimeout(30)
        writer = threading.Thread(target=stream.sendall, args=(sent,))
        writer.start()
        got, buffer = bytearray(), memoryview(bytearray(100_000))
        while len(got) < len(sent):
            count = stream.recv_into(buffer)
            assert count
            got += buffer[:count]
        writer.join()
        stream.shutdown(socket.SHUT_WR)
        # The other end may reset the connection: there is nothing more to lose.
        with stream, contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""

    assert got == sent


def test_silence_is_a_timeout(tls: Tls) -> None:
    """Who waits for nothing waits as long as was said."""
    with (
        listening("") as path,
        tls_proxy(path, tls) as port,
        open_tls_stream(Address("docker", host="127.0.0.1", port=port), tls, 10) as stream,
    ):
        stream.settimeout(0.01)
        with pytest.raises(TimeoutError):
            stream.recv(1)
