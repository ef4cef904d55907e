"""Laws of the connection, with an HTTP/2 client without wires as the daemon.

What gRPC's own client never does is done here: any cut of the bytes, tiny windows, calls that are
reset in the bytes that opened them.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings
from hypothesis import given, settings
from hypothesis import strategies as st
from session_peer import TIMEOUT_S

from buildkit_spec._pb import filesync, health
from buildkit_spec._pb.filesync import BytesMessage
from buildkit_spec.session import Health
from buildkit_spec.session._framing import MessageReader, frame_message
from buildkit_spec.session._server import Server

STREAM = filesync.FileSend.DiffCopy
CHECK = health.Health.Check.path


class Peer:
    """The daemon's side of one connection: says what it is told to, and keeps what it hears."""

    def __init__(self, **changes: int) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        values = {SettingCodes[name]: value for name, value in changes.items()}
        self.h2.local_settings = Settings(client=True, initial_values=values)
        self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size
        self.h2.initiate_connection()
        self.answers: dict[int, list[bytes]] = defaultdict(list)
        self.statuses: dict[int, str] = {}
        self.ended: set[int] = set()
        self._readers: dict[int, MessageReader] = defaultdict(MessageReader)

    def open(self, stream: int, path: str, *messages: bytes, is_complete: bool = True) -> None:
        """Open a call and send it messages."""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", path),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self.h2.send_headers(stream, headers)
        for message in messages:
            self.h2.send_data(stream, frame_message(message))
        if is_complete:
            self.h2.end_stream(stream)

    def hear(self, data: bytes) -> None:
        """Take bytes of the server; breaking a rule of HTTP/2's is an error here."""
        for event in self.h2.receive_data(data):
            stream = getattr(event, "stream_id", 0)
            if isinstance(event, DataReceived):
                self.answers[stream] += self._readers[stream].feed(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, (ResponseReceived, TrailersReceived)):
                # A call without answers has its status in the first headers.
                headers = {bytes(name): bytes(value) for name, value in event.headers or []}
                if b"grpc-status" in headers:
                    self.statuses[stream] = headers[b"grpc-status"].decode()
            elif isinstance(event, (StreamEnded, StreamReset)):
                self.ended.add(stream)


def echo(call: Any) -> None:
    for message in call.messages():
        call.send(message)


def converse(peer: Peer, server: Server, streams: set[int], pieces: list[bytes]) -> None:
    """Hand the pieces over, then carry bytes both ways until the streams have ended."""
    outgoing: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()

    def fetch() -> None:
        try:
            while (data := server.outgoing()) is not None:
                outgoing.put(data)
            outgoing.put(None)
        except Exception as error:  # noqa: BLE001 - raised below
            outgoing.put(error)

    fetcher = threading.Thread(target=fetch, daemon=True)
    fetcher.start()
    for piece in pieces:
        server.receive(piece)
    while not streams <= peer.ended:
        data = outgoing.get(timeout=TIMEOUT_S)
        if isinstance(data, Exception):
            raise data
        assert data is not None
        peer.hear(data)
        if reply := peer.h2.data_to_send():
            server.receive(reply)
    server.close()
    fetcher.join(TIMEOUT_S)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=2000), max_size=4), min_size=1, max_size=4),
    st.lists(st.integers(min_value=0), max_size=30),
)
def test_calls_are_answered_however_the_bytes_are_cut(
    calls: list[list[bytes]], places: list[int]
) -> None:
    """Where the tunnel cuts the peer's bytes changes no answer."""
    failures: list[Any] = []
    peer, server = Peer(), Server({STREAM: echo}, failures.append)
    sent = {
        2 * index + 1: [BytesMessage(data=data).SerializeToString() for data in messages]
        for index, messages in enumerate(calls)
    }
    for stream, messages in sent.items():
        peer.open(stream, STREAM.path, *messages)

    converse(peer, server, set(sent), cut(peer.h2.data_to_send(), places))

    assert {stream: peer.answers[stream] for stream in sent} == sent
    assert set(peer.statuses.values()) == {"0"}
    assert not failures


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(st.integers(1, 100), st.integers(100, 100_000)),
    st.integers(16384, 40000),
    st.lists(st.integers(0, 8), max_size=5),
)
def test_answers_keep_to_the_peers_windows_and_frames(
    window: int, frame: int, halves: list[int]
) -> None:
    """Whatever little the peer takes at a time, it gets no byte more, and all in the end."""
    sizes = [half * window // 2 for half in halves]

    def handler(call: Any) -> None:
        for size in sizes:
            call.send(BytesMessage(data=b"x" * size), has_more=True)

    failures: list[Any] = []
    peer = Peer(INITIAL_WINDOW_SIZE=window, MAX_FRAME_SIZE=frame)
    server = Server({STREAM: handler}, failures.append)
    for stream in (1, 3):
        peer.open(stream, STREAM.path)

    converse(peer, server, {1, 3}, [peer.h2.data_to_send()])

    for stream in (1, 3):
        lengths = [len(BytesMessage.FromString(data).data) for data in peer.answers[stream]]
        assert lengths == sizes
    assert not failures


@pytest.mark.parametrize("path", [CHECK, "/no.such.Service/Method"])
@pytest.mark.parametrize("end", ["reset", "reset after a message", "goodbye"])
def test_call_taken_back_in_the_bytes_that_opened_it_ends_alone(path: str, end: str) -> None:
    """A call, known or not, that is reset at once is no breach of the protocol."""
    failures: list[Any] = []
    peer, server = Peer(), Server(Health().methods(), failures.append)
    messages = [b""] if end == "reset after a message" else []
    peer.open(1, path, *messages, is_complete=False)
    if end == "goodbye":
        peer.h2.close_connection()
    else:
        peer.h2.reset_stream(1)
    server.receive(peer.h2.data_to_send())
    if end != "goodbye":
        peer.open(3, CHECK, b"")
        converse(peer, server, {3}, [peer.h2.data_to_send()])

        assert peer.statuses[3] == "0"
    while server.outgoing() is not None:
        pass

    assert not failures


def test_calls_beyond_what_the_peer_was_told_are_refused_one_by_one() -> None:
    """A peer that opens more calls than it may gets no thread for them; the others are answered."""
    failures: list[Any] = []
    release = threading.Event()

    def handler(call: Any) -> None:
        release.wait(TIMEOUT_S)

    peer, server = Peer(), Server({STREAM: handler}, failures.append)
    for index in range(300):
        peer.open(2 * index + 1, STREAM.path)
    server.receive(peer.h2.data_to_send())
    release.set()
    converse(peer, server, {2 * index + 1 for index in range(300)}, [])

    assert peer.statuses == {2 * index + 1: "0" for index in range(256)}
    assert not failures


def test_calls_reset_in_a_flood_get_no_more_threads_than_calls_may_be_open() -> None:
    """A call that is reset counts while its handler runs; the handler may be deaf to the reset."""
    failures: list[Any] = []
    release = threading.Event()
    begun: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()

    def handler(call: Any) -> None:
        begun.put(threading.current_thread())
        release.wait(TIMEOUT_S)

    peer, server = Peer(), Server({STREAM: handler}, failures.append)
    for index in range(1000):
        peer.open(2 * index + 1, STREAM.path)
        server.receive(peer.h2.data_to_send())
        peer.h2.reset_stream(2 * index + 1)
        server.receive(peer.h2.data_to_send())
    threads = [begun.get(timeout=TIMEOUT_S) for _ in range(256)]

    assert begun.empty()
    release.set()
    for thread in threads:
        thread.join(TIMEOUT_S)
    peer.open(2001, STREAM.path)
    converse(peer, server, {2001}, [peer.h2.data_to_send()])
    assert peer.statuses == {2001: "0"}
    assert begun.qsize() == 1
    assert not failures


def test_call_taken_back_in_the_bytes_that_opened_it_is_not_begun() -> None:
    """Calls that nobody wants any more cost no thread, however many they are."""
    begun: list[str] = []
    failures: list[Any] = []
    peer, server = Peer(), Server({STREAM: lambda call: begun.append("one")}, failures.append)
    for index in range(1000):
        peer.open(2 * index + 1, STREAM.path)
        peer.h2.reset_stream(2 * index + 1)
    server.receive(peer.h2.data_to_send())
    peer.open(2001, CHECK, b"")
    converse(peer, server, {2001}, [peer.h2.data_to_send()])

    assert begun == []
    assert peer.statuses == {2001: "12"}
    assert not failures
