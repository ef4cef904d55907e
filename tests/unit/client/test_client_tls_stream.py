"""A Docker Engine over TLS: its stream, and what is told when the certificates do not fit."""

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
from buildkit_spec.client.certificates import read_certificates
from buildkit_spec.client.tls_stream import open_tls_stream
from buildkit_spec.errors import ConnectionFailedError, DeadlineExceededError


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
            near, _ = listener.accept()
            with near:
                if not answer:
                    _pump(near, near)
                    return
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += near.recv(1)
                near.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
                with socket.socket(socket.AF_UNIX) as far:
                    far.connect(answer)
                    back = threading.Thread(target=_pump, args=(far, near))
                    back.start()
                    _pump(near, far)
                    back.join()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{home}/s.sock"


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
        assert stream.recv(1) == b""
        stream.close()

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


def test_certificate_of_another_authority_is_told(tls: Tls, tmp_path: Path) -> None:
    """An Engine that the given CA did not sign is not spoken to."""
    other = make_certificate(tmp_path / "other")
    with listening("") as path, tls_proxy(path, tls) as port:
        address = Address("docker", host="127.0.0.1", port=port)

        with pytest.raises(ConnectionFailedError, match=r"no TLS with .*self-signed"):
            Client(address, tls=other)
        with pytest.raises(ConnectionFailedError, match=r"no TLS with .*mismatch"):
            Client(address, tls=Tls(tls.ca, tls.cert, tls.key, server_name="other"))


def test_engine_that_wants_a_certificate_says_so(tls: Tls) -> None:
    """Without a certificate of ours, the Engine's alert is told, not that it speaks no HTTP."""
    with listening("") as path, tls_proxy(path, tls) as port:
        address = Address("docker", host="127.0.0.1", port=port)

        with pytest.raises(ConnectionFailedError) as caught:
            Client(address, tls=Tls(tls.ca))

    assert "TLS" in caught.value.message
    assert "certificates" in caught.value.remedy


def test_engine_without_tls_is_told(tls: Tls) -> None:
    """An Engine that does not speak TLS, or does not speak at all, is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("docker", host="127.0.0.1", port=listener.getsockname()[1])

        def serve() -> None:
            near, _ = listener.accept()
            with near:
                near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                near.recv(10_000)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ConnectionFailedError, match=r"no TLS with .*wrong version"):
            Client(address, tls=tls)
        thread.join()
        with pytest.raises(DeadlineExceededError, match="did not answer within"):
            Client(address, tls=tls, connect_timeout_s=0.05)


def test_files_that_do_not_fit_are_told(tls: Tls, tmp_path: Path) -> None:
    """A key of another certificate, or a file that is not there, is told before connecting."""
    other = make_certificate(tmp_path / "other")
    address = Address("docker", host="127.0.0.1", port=1)

    for wrong in (Tls(tls.ca, tls.cert, other.key), Tls(tmp_path / "absent.pem")):
        with pytest.raises(ConnectionFailedError, match="cannot use the certificates"):
            Client(address, tls=wrong)


def test_certificates_tell_whose_and_until_when(tmp_path: Path) -> None:
    """Subject and dates are read; one that has expired is marked."""
    (valid,) = read_certificates(make_certificate(tmp_path / "a").cert or Path())
    (expired,) = read_certificates(make_certificate(tmp_path / "b", days=-1).cert or Path())

    assert valid.subject == "CN=engine"
    assert valid.trouble() == ""
    assert expired.trouble() == " (expired)"
    assert valid.trouble(valid.not_before.replace(year=2000)) == " (not yet valid)"
    (tmp_path / "no.pem").write_text("no")
    for name in ("no.pem", "absent.pem"):
        with pytest.raises(ConnectionFailedError, match=f"certificate file .*{name}"):
            read_certificates(tmp_path / name)
