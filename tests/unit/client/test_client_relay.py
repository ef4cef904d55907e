"""The byte relay, and the way into a Docker Engine."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import ConnectionFailedError


class Far:
    """The far side: every stream opened is the one end of a pair, `ends` the others."""

    def __init__(self) -> None:
        self.ends: list[socket.socket] = []
        self.is_gone = False

    def open(self) -> socket.socket:
        if self.is_gone:
            raise ConnectionFailedError("nobody there")
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        return ours


@pytest.fixture(name="far")
def _far() -> Iterator[Far]:
    far = Far()
    yield far
    for one in far.ends:
        one.close()


@pytest.fixture(name="relay")
def _relay(far: Far) -> Iterator[Relay]:
    relay = Relay(far.open)
    yield relay
    relay.close()


def dial(relay: Relay) -> socket.socket:
    near = socket.socket(socket.AF_UNIX)
    near.connect(relay.path)
    return near


def read(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := stream.recv(count - len(data))):
        data += more
    return data


def test_relay_moves_bytes_both_ways(relay: Relay, far: Far) -> None:
    """What one side sends the other receives, more than any buffer holds."""
    blob = os.urandom(3_000_000)
    with dial(relay) as near:
        for source, sink in ((near, far.ends[0]), (far.ends[0], near)):
            sender = threading.Thread(target=source.sendall, args=(blob,))
            sender.start()

            assert read(sink, len(blob)) == blob
            sender.join()


def test_relay_opens_a_stream_for_each_connection(relay: Relay, far: Far) -> None:
    """The stream that was opened for the trial is the first connection's; others get new ones."""
    with dial(relay) as first:
        first.sendall(b"1")
        assert read(far.ends[0], 1) == b"1"

        with dial(relay) as second:
            second.sendall(b"2")
            while len(far.ends) < 2:
                time.sleep(0.001)
            assert read(far.ends[1], 1) == b"2"


def test_relay_passes_half_closes_on(relay: Relay, far: Far) -> None:
    """A side that ends sending still receives; the end arrives at the other."""
    with dial(relay) as near:
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)

        assert read(far.ends[0], 100) == b"question"
        far.ends[0].sendall(b"answer")
        far.ends[0].shutdown(socket.SHUT_WR)
        assert read(near, 100) == b"answer"


def test_relay_ends_a_connection_whose_far_side_breaks(relay: Relay, far: Far) -> None:
    """A daemon that goes away is seen at once, as the end of the connection."""
    with dial(relay) as near:
        near.sendall(b"x")
        read(far.ends[0], 1)
        far.ends[0].close()

        assert near.recv(1) == b""


def test_relay_closes_a_connection_that_cannot_be_opened(relay: Relay, far: Far) -> None:
    """When a later stream cannot be opened, the connection ends instead of hanging."""
    with dial(relay) as first:
        first.sendall(b"x")
        read(far.ends[0], 1)
        far.is_gone = True
        with dial(relay) as second:
            assert second.recv(1) == b""


def test_relay_says_at_once_that_nothing_can_be_opened(far: Far) -> None:
    """The first stream is opened on making the relay; failing, it leaves nothing behind."""
    far.is_gone = True
    before = set(threading.enumerate())
    with pytest.raises(ConnectionFailedError, match="nobody there"):
        Relay(far.open)

    assert set(threading.enumerate()) == before


def test_closing_a_relay_leaves_nothing_behind(far: Far) -> None:
    """Closing ends connections in use, idle ones, threads and the private directory."""
    before = set(threading.enumerate())
    relay = Relay(far.open)
    directory = Path(relay.path).parent
    with dial(relay) as near:
        near.sendall(b"x")
        read(far.ends[0], 1)  # then the trial's stream is this connection's
        with dial(relay):
            relay.close()
            relay.close()

        assert near.recv(1) == b""
        assert far.ends[0].recv(1) == b""
    assert not directory.exists()
    assert set(threading.enumerate()) == before


def test_relay_is_for_its_user_only(relay: Relay) -> None:
    """The socket lies in a directory that nobody else may enter."""
    assert stat.S_IMODE(Path(relay.path).parent.stat().st_mode) == 0o700


def test_relay_finds_a_short_path(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary directory too deep for a socket's name is gone around."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    relay = Relay(far.open)
    dial(relay).close()
    relay.close()

    assert list(deep.iterdir()) == []


Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def engine(answer: Answer) -> Iterator[Address]:
    """Something that answers the first connection to a loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                answer(stream)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("docker", host="127.0.0.1", port=listener.getsockname()[1])
        thread.join()


def answering(data: bytes) -> Answer:
    def answer(stream: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += stream.recv(4096)
        assert asked.startswith(b"POST /grpc HTTP/1.1\r\n")
        assert b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" in asked
        stream.sendall(data)

    return answer


def test_docker_stream_begins_right_behind_the_upgrade() -> None:
    """Bytes that come in one piece with the upgrade's head are the stream's first ones."""
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with (
        engine(answering(head + b"PRI and more")) as address,
        open_docker_stream(address, 5, partial(connect, address, 5)) as stream,
    ):
        assert read(stream, 100) == b"PRI and more"
        assert stream.gettimeout() is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "has no BuildKit: it answered HTTP 404"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answered HTTP 400"),
        (b"HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n", "answered HTTP 403"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "answered HTTP 200"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"\x00\x00\x0c\x04\x00\x00", "does not speak HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1\r\n\r\n", "does not speak HTTP"),
        (b"", "does not speak HTTP"),
    ],
)
def test_docker_stream_tells_what_is_no_engine(data: bytes, said: str) -> None:
    """Whatever else answers is told apart, with a remedy."""
    with (
        engine(answering(data)) as address,
        pytest.raises(ConnectionFailedError, match=said) as caught,
    ):
        open_docker_stream(address, 5, partial(connect, address, 5))

    assert caught.value.address == str(address)
    assert caught.value.remedy
