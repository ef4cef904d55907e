"""The connection against RFC 9113 and RFC 7541, frame by frame.

The cases are those that h2spec asks of a server, and some that it does not. h2spec itself comes
from no registry of packages, so they are told here again as frames and answers. Left out are two
about priorities, which RFC 9113 takes back: a stream that depends on itself is no error any more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hpack import Decoder, Encoder

from buildkit_spec.errors import SessionError
from buildkit_spec.session import _frames as h2
from buildkit_spec.session._events import CallOpened, Event
from buildkit_spec.session._framing import status
from buildkit_spec.session._http2 import Connection

Step = bytes | Callable[[Connection], None]
Pair = tuple[str, str]

ACK = END_STREAM = 1
END_HEADERS = 4
PADDED = 8
PRIORITY = 0x20
METHOD, SCHEME, PATH = (":method", "POST"), (":scheme", "http"), (":path", "/a/b")
REQUEST = [METHOD, SCHEME, PATH, (":authority", "x")]

PROTOCOL = 1
FLOW = 3
CLOSED = 5
SIZE = 6
REFUSED = 7
COMPRESSION = 9
CALM = 11

FINE = "fine"


def ends(code: int) -> str:
    return f"the connection ends with {code}"


def resets(stream: int, code: int) -> str:
    return f"stream {stream} ends with {code}"


def block(fields: Sequence[Pair] = REQUEST) -> bytes:
    return Encoder().encode(fields)


def headers(stream: int = 1, flags: int = END_HEADERS, fields: Sequence[Pair] = REQUEST) -> bytes:
    return h2.frame(h2.HEADERS, flags, stream, block(fields))


def last_headers(stream: int = 1, fields: Sequence[Pair] = REQUEST) -> bytes:
    return headers(stream, END_HEADERS | END_STREAM, fields)


def opened_with(*fields: Pair) -> bytes:
    return last_headers(fields=[*REQUEST, *fields])


def compressed(data: bytes) -> bytes:
    """A request with these bytes at the end of its header block."""
    return h2.frame(h2.HEADERS, END_HEADERS | END_STREAM, 1, block() + data)


def data(payload: bytes = b"", stream: int = 1, flags: int = 0) -> bytes:
    return h2.frame(h2.DATA, flags, stream, payload)


def continuation(payload: bytes = b"", stream: int = 1, flags: int = END_HEADERS) -> bytes:
    return h2.frame(h2.CONTINUATION, flags, stream, payload)


def room(more: int, stream: int = 0) -> bytes:
    return h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number(more))


def reset(stream: int = 1, code: int = 8) -> bytes:
    return h2.frame(h2.RST_STREAM, 0, stream, h2.number(code))


def setting(name: int, value: int) -> bytes:
    return h2.frame(h2.SETTINGS, 0, 0, struct.pack(">HL", name, value))


def priority(stream: int = 1, size: int = 5) -> bytes:
    return h2.frame(h2.PRIORITY, 0, stream, bytes(size))


def answer(stream: int = 1) -> Step:
    """Answer a call and end its stream."""

    def step(connection: Connection) -> None:
        connection.headers(stream, [(":status", "200")], is_last=True)

    return step


def refuse(stream: int = 1) -> Step:
    """End a call that the peer still sends to."""
    return lambda connection: connection.reset(stream)


def outcome(steps: Sequence[Step]) -> list[str]:
    """What the peer is told in the end: faults, or FINE when the connection then answers a PING."""
    connection = Connection()
    connection.receive(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, b""))
    connection.take()
    ping = h2.frame(h2.PING, 0, 0, b"is alive")
    has_failed = False
    for step in [*steps, ping]:
        if not isinstance(step, bytes):
            step(connection)
            connection.take()  # the peer has it before it goes on
            continue
        try:
            events = connection.receive(step)
        except SessionError:
            has_failed = True
            break
        for event in events:
            if isinstance(event, CallOpened):
                connection.widen(event.stream, 4 << 20)  # as who reads the call does
    told = faults(connection.take())
    if has_failed:
        assert told[-1].startswith("the connection")
        return told
    assert told.pop() == "pong"
    return told or [FINE]


def faults(data: bytes) -> list[str]:
    told = []
    start = 0
    while start < len(data):
        high, low, kind, flags, stream = struct.unpack_from(">HBBBL", data, start)
        payload = data[start + 9 : start + 9 + (high << 8 | low)]
        start += 9 + len(payload)
        if kind == h2.GOAWAY:
            told.append(ends(struct.unpack(">LL", payload)[1]))
        elif kind == h2.RST_STREAM:
            told.append(resets(stream, h2.read_number(payload)))
        elif kind == h2.PING and payload == b"is alive":
            assert flags == ACK
            told.append("pong")
    return told


CASES: dict[str, tuple[list[Step], str]] = {
    # 4: frames
    "4.1 unknown kind": ([h2.frame(200, 0xFF, 0, b"x")], FINE),
    "4.1 unknown flags": ([h2.frame(h2.PRIORITY, 0xFF, 1, bytes(5))], FINE),
    "4.1 reserved bit": ([h2.frame(h2.WINDOW_UPDATE, 0, 1 << 31, h2.number(1))], FINE),
    "4.2 largest frame": ([headers(), data(bytes(16384))], FINE),
    "4.2 too large data": ([headers(), data(bytes(16385))], ends(SIZE)),
    "4.2 too large headers": ([h2.frame(h2.HEADERS, 5, 1, bytes(16385))], ends(SIZE)),
    "4.3 priority amidst headers": ([headers(flags=0), priority()], ends(PROTOCOL)),
    "4.3 another stream's headers amidst headers": (
        [headers(flags=0), headers(3)],
        ends(PROTOCOL),
    ),
    "5.5 unknown kind amidst headers": (
        [headers(flags=0), h2.frame(200, 0, 1, b"")],
        ends(PROTOCOL),
    ),
    # 5.1: states
    "5.1 data on idle": ([data(b"x", flags=END_STREAM)], ends(PROTOCOL)),
    "5.1 reset of idle": ([reset()], ends(PROTOCOL)),
    "5.1 room on idle": ([room(100, 1)], ends(PROTOCOL)),
    "5.1 continuation on idle": ([continuation(block())], ends(PROTOCOL)),
    "5.1 priority on idle": ([priority(), last_headers()], FINE),
    "5.1 priority on idle, then a lower stream": ([priority(9), last_headers(5)], FINE),
    "5.1 data after the last": ([last_headers(), data(b"x")], resets(1, CLOSED)),
    "5.1 headers after the last": ([last_headers(), last_headers()], resets(1, CLOSED)),
    "5.1 continuation after the last": ([last_headers(), continuation()], ends(PROTOCOL)),
    "5.1 room after the last": ([last_headers(), room(1, 1)], FINE),
    "5.1 priority after the last": ([last_headers(), priority()], FINE),
    "5.1 reset after the last": ([last_headers(), reset()], FINE),
    "5.1 data after a reset": ([headers(), reset(), data(b"x")], resets(1, CLOSED)),
    "5.1 headers after a reset": ([headers(), reset(), last_headers()], ends(CLOSED)),
    "5.1 continuation after a reset": ([headers(), reset(), continuation()], ends(PROTOCOL)),
    "5.1 data on closed": ([last_headers(), answer(), data(b"x")], resets(1, CLOSED)),
    "5.1 headers on closed": ([last_headers(), answer(), last_headers()], ends(CLOSED)),
    "5.1 continuation on closed": ([last_headers(), answer(), continuation()], ends(PROTOCOL)),
    "5.1 room on closed": ([last_headers(), answer(), room(1, 1)], FINE),
    "5.1 priority on closed": ([last_headers(), answer(), priority()], FINE),
    "5.1 data on refused": ([headers(), refuse(), data(b"x")], FINE),
    "5.1 trailers on refused": ([headers(), refuse(), last_headers(fields=[])], FINE),
    "5.1 reset of refused": ([headers(), refuse(), reset()], FINE),
    "5.1.1 even stream": ([headers(2)], ends(PROTOCOL)),
    "5.1.1 smaller stream": ([headers(5), headers(3)], ends(PROTOCOL)),
    "5.1.2 too many": ([headers(2 * index + 1) for index in range(257)], resets(513, REFUSED)),
    # 6.1: DATA
    "6.1 on no stream": ([data(b"x", 0)], ends(PROTOCOL)),
    "6.1 padded": ([headers(), data(b"\3abc\0\0\0", flags=PADDED)], FINE),
    "6.1 padding alone": ([headers(), data(b"\3\0\0\0", flags=PADDED)], FINE),
    "6.1 too much padding": ([headers(), data(b"\5abc", flags=PADDED)], ends(PROTOCOL)),
    "6.1 padding without its length": ([headers(), data(flags=PADDED)], ends(PROTOCOL)),
    # 6.2: HEADERS
    "6.2 padded": ([h2.frame(h2.HEADERS, 4 | PADDED, 1, b"\2" + block() + b"\0\0")], FINE),
    "6.2 with priority": ([h2.frame(h2.HEADERS, 4 | PRIORITY, 1, bytes(5) + block())], FINE),
    "6.2 on no stream": ([headers(0)], ends(PROTOCOL)),
    "6.2 too much padding": (
        [h2.frame(h2.HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block())],
        ends(PROTOCOL),
    ),
    "6.2 too short for its priority": ([h2.frame(h2.HEADERS, 4 | PRIORITY, 1, b"1")], ends(SIZE)),
    # 6.3, 6.4: PRIORITY and RST_STREAM
    "6.3 on no stream": ([priority(0)], ends(PROTOCOL)),
    "6.3 another length": ([headers(), priority(1, 4)], ends(SIZE)),
    "6.3 another length on idle": ([priority(3, 4)], ends(SIZE)),
    "6.4 of no stream": ([reset(0)], ends(PROTOCOL)),
    "6.4 another length": ([headers(), h2.frame(h2.RST_STREAM, 0, 1, b"123")], ends(SIZE)),
    "6.4 unknown code": ([headers(), reset(1, 0xFF)], FINE),
    # 6.5: SETTINGS
    "6.5 acknowledged with a payload": ([h2.frame(h2.SETTINGS, ACK, 0, bytes(6))], ends(SIZE)),
    "6.5 on a stream": ([h2.frame(h2.SETTINGS, 0, 1, b"")], ends(PROTOCOL)),
    "6.5 another length": ([h2.frame(h2.SETTINGS, 0, 0, b"123")], ends(SIZE)),
    "6.5.2 push": ([setting(h2.ENABLE_PUSH, 2)], ends(PROTOCOL)),
    "6.5.2 window": ([setting(h2.INITIAL_WINDOW_SIZE, 1 << 31)], ends(FLOW)),
    "6.5.2 small frames": ([setting(h2.MAX_FRAME_SIZE, 16383)], ends(PROTOCOL)),
    "6.5.2 large frames": ([setting(h2.MAX_FRAME_SIZE, 1 << 24)], ends(PROTOCOL)),
    "6.5.2 unknown": ([setting(0xFF, 1)], FINE),
    # 6.6 to 6.8: PUSH_PROMISE, PING, GOAWAY
    "6.6 from a client": ([headers(), h2.frame(h2.PUSH_PROMISE, 4, 1, bytes(4))], ends(PROTOCOL)),
    "6.7 acknowledged": ([h2.frame(h2.PING, ACK, 0, b"nobodys!")], FINE),
    "6.7 on a stream": ([h2.frame(h2.PING, 0, 1, bytes(8))], ends(PROTOCOL)),
    "6.7 another length": ([h2.frame(h2.PING, 0, 0, bytes(6))], ends(SIZE)),
    "6.8 on a stream": ([h2.frame(h2.GOAWAY, 0, 1, bytes(8))], ends(PROTOCOL)),
    "6.8 unknown code": ([h2.frame(h2.GOAWAY, 0, 0, bytes(4) + h2.number(0xFF))], FINE),
    "6.8 too short": ([h2.frame(h2.GOAWAY, 0, 0, bytes(7))], ends(SIZE)),
    # 6.9: WINDOW_UPDATE
    "6.9 nothing": ([room(0)], ends(PROTOCOL)),
    "6.9 nothing on a stream": ([headers(), room(0, 1)], resets(1, PROTOCOL)),
    "6.9 another length": ([h2.frame(h2.WINDOW_UPDATE, 0, 0, b"123")], ends(SIZE)),
    "6.9.1 too much": ([room((1 << 31) - 1)], ends(FLOW)),
    "6.9.1 too much on a stream": ([headers(), room((1 << 31) - 1, 1)], resets(1, FLOW)),
    "6.9.2 too much by a setting": (
        [headers(), room(1 << 30, 1), setting(h2.INITIAL_WINDOW_SIZE, (1 << 31) - 1)],
        ends(FLOW),
    ),
    "6.9.1 more than the stream's": (
        [headers(), *[data(bytes(16384))] * 257],
        resets(1, FLOW),
    ),
    # 6.10: CONTINUATION
    "6.10 several": (
        [
            h2.frame(h2.HEADERS, END_STREAM, 1, block()[:3]),
            continuation(block()[3:5], flags=0),
            continuation(flags=0),
            continuation(block()[5:]),
        ],
        FINE,
    ),
    "6.10 then data": (
        [headers(flags=0), continuation(flags=0), data(b"x")],
        ends(PROTOCOL),
    ),
    "6.10 on no stream": ([headers(flags=0), continuation(stream=0)], ends(PROTOCOL)),
    "6.10 after the last headers": ([headers(), continuation()], ends(PROTOCOL)),
    "6.10 after the last": (
        [headers(flags=0), continuation(), continuation()],
        ends(PROTOCOL),
    ),
    "6.10 after data": ([headers(), data(b"x"), continuation()], ends(PROTOCOL)),
    # 8: requests
    "8.1 headers amidst data": ([headers(), headers()], resets(1, PROTOCOL)),
    "8.1 trailers": ([headers(), data(b"x"), last_headers(fields=[("a", "b")])], FINE),
    "8.1 pseudo-header in trailers": ([headers(), last_headers()], resets(1, PROTOCOL)),
    "8.1 upper case in trailers": (
        [headers(), last_headers(fields=[("A", "b")])],
        resets(1, PROTOCOL),
    ),
    "8.1.1 data of its length": (
        [
            headers(fields=[*REQUEST, ("content-length", "4")]),
            data(b"\2te\0\0", flags=PADDED),
            data(b"st", flags=END_STREAM),
        ],
        FINE,
    ),
    "8.1.1 data of another length": (
        [headers(fields=[*REQUEST, ("content-length", "5")]), data(b"test", flags=END_STREAM)],
        resets(1, PROTOCOL),
    ),
    "8.1.1 several of another length": (
        [headers(fields=[*REQUEST, ("content-length", "1")]), data(b"te"), data(b"st")],
        resets(1, PROTOCOL),
    ),
    "8.1.1 trailers too early": (
        [headers(fields=[*REQUEST, ("content-length", "1")]), last_headers(fields=[])],
        resets(1, PROTOCOL),
    ),
    "8.1.1 no data at all": ([opened_with(("content-length", "1"))], resets(1, PROTOCOL)),
    "8.1.1 no data as told": ([opened_with(("content-length", "0"))], FINE),
    "8.1.1 length that is none": ([opened_with(("content-length", "-1"))], resets(1, PROTOCOL)),
    "8.1.1 two lengths": (
        [opened_with(("content-length", "0"), ("content-length", "0"))],
        resets(1, PROTOCOL),
    ),
    "8.2 upper case": ([opened_with(("X-Test", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 blank in a name": ([opened_with(("a b", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 control in a name": ([opened_with(("a\x7f", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 colon in a name": ([opened_with(("a:b", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 no name": ([opened_with(("", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 name that is not ASCII": ([opened_with(("ä", "ok"))], resets(1, PROTOCOL)),
    "8.2.1 line feed in a value": ([opened_with(("a", "x\ny"))], resets(1, PROTOCOL)),
    "8.2.1 carriage return in a value": ([opened_with(("a", "x\r"))], resets(1, PROTOCOL)),
    "8.2.1 NUL in a value": ([opened_with(("a", "\0"))], resets(1, PROTOCOL)),
    "8.2.2 connection": ([opened_with(("connection", "keep-alive"))], resets(1, PROTOCOL)),
    "8.2.2 te": ([opened_with(("te", "trailers, deflate"))], resets(1, PROTOCOL)),
    "8.2.2 te of trailers": ([opened_with(("te", "trailers"))], FINE),
    "8.3 unknown pseudo-header": (
        [last_headers(fields=[*REQUEST, (":test", "ok")])],
        resets(1, PROTOCOL),
    ),
    "8.3 pseudo-header of answers": (
        [last_headers(fields=[*REQUEST, (":status", "200")])],
        resets(1, PROTOCOL),
    ),
    "8.3 pseudo-header after others": (
        [last_headers(fields=[METHOD, SCHEME, ("a", "b"), PATH])],
        resets(1, PROTOCOL),
    ),
    "8.3.1 empty path": (
        [last_headers(fields=[METHOD, SCHEME, (":path", "")])],
        resets(1, PROTOCOL),
    ),
    "8.3.1 no method": ([last_headers(fields=[SCHEME, PATH])], resets(1, PROTOCOL)),
    "8.3.1 no scheme": ([last_headers(fields=[METHOD, PATH])], resets(1, PROTOCOL)),
    "8.3.1 no path": ([last_headers(fields=[METHOD, SCHEME])], resets(1, PROTOCOL)),
    "8.3.1 two methods": ([opened_with(METHOD)], resets(1, PROTOCOL)),
    "8.3.1 two schemes": ([last_headers(fields=[*REQUEST, SCHEME])], resets(1, PROTOCOL)),
    "8.3.1 two paths": ([last_headers(fields=[*REQUEST, PATH])], resets(1, PROTOCOL)),
    "8.3.1 nothing": ([last_headers(fields=[])], resets(1, PROTOCOL)),
    # RFC 7541
    "hpack: indexed": ([h2.frame(h2.HEADERS, 5, 1, b"\x83\x86\x84")], FINE),
    "hpack: literals of each kind": ([compressed(b"\x40\1a\1b\x00\1a\1b\x10\1a\1b\xbe")], FINE),
    "hpack: table of another size": (
        [h2.frame(h2.HEADERS, END_HEADERS, 1, b"\x20\x3f\xe1\x1f" + block())],
        FINE,
    ),
    "hpack: cut off": ([h2.frame(h2.HEADERS, 5, 1, b"\x40")], ends(COMPRESSION)),
    "hpack: cut off in a number": ([compressed(b"\xff")], ends(COMPRESSION)),
    "hpack: endless number": ([compressed(b"\xff" * 2000)], ends(COMPRESSION)),
    "hpack: index 0": ([compressed(b"\x80")], ends(COMPRESSION)),
    "hpack: unknown index": ([compressed(b"\xfd")], ends(COMPRESSION)),
    "hpack: unknown index of a name": ([compressed(b"\x7f\x7f\1a")], ends(COMPRESSION)),
    "hpack: table larger than we said": (
        [h2.frame(h2.HEADERS, END_HEADERS, 1, b"\x3f\xe2\x1f" + block())],
        ends(COMPRESSION),
    ),
    "hpack: size amidst headers": ([compressed(b"\x20")], ends(COMPRESSION)),
    "hpack: Huffman padding of a byte": (
        [compressed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")],
        ends(COMPRESSION),
    ),
    "hpack: Huffman padding of zeros": (
        [compressed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90")],
        ends(COMPRESSION),
    ),
    "hpack: Huffman end of string": (
        [compressed(b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x51\xff\xff\xff\xfa\x7f\xff")],
        ends(COMPRESSION),
    ),
    # floods
    "flood of empty continuations": (
        [headers(flags=0), continuation(flags=0) * 20_000],
        ends(CALM),
    ),
    "flood of empty data": ([headers(), data() * 20_000], ends(CALM)),
    "flood of padding": ([headers(), data(b"\0", flags=PADDED) * 20_000], ends(CALM)),
    "flood of empty data on refused": ([headers(), refuse(), data() * 20_000], ends(CALM)),
    "flood of priorities": ([priority() * 20_000], ends(CALM)),
    "flood of what we do not know": ([h2.frame(200, 0, 0, b"") * 20_000], ends(CALM)),
    "flood of acknowledgements": ([h2.frame(h2.SETTINGS, ACK, 0, b"") * 20_000], ends(CALM)),
    "flood of pongs": ([h2.frame(h2.PING, ACK, 0, bytes(8)) * 20_000], ends(CALM)),
    "flood of resets": ([headers(), reset() * 20_000], ends(CALM)),
    "flood of room on closed": ([headers(), reset(), room(1, 1) * 20_000], ends(CALM)),
    "flood of pings": ([h2.frame(h2.PING, 0, 0, bytes(8)) * 100_000], ends(CALM)),
    "flood of settings": ([h2.frame(h2.SETTINGS, 0, 0, b"") * 200_000], ends(CALM)),
    "endless headers": (
        [headers(flags=0), *[continuation(bytes(16384), flags=0)] * 70],
        ends(CALM),
    ),
    "headers that unpack to very many": (
        [headers(flags=0), continuation(b"\x40\1a\x7f\x61" + b"b" * 224 + b"\xbe" * 10_000)],
        ends(CALM),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_frames_have_the_answer_that_the_rfcs_ask_for(case: str) -> None:
    """What a peer sends is answered as the standard says, and ends no more than it says."""
    steps, expected = CASES[case]

    assert outcome(steps) == [expected]


def test_connection_begins_with_the_preface_and_settings() -> None:
    """Anything else is no HTTP/2, and is told so."""
    for first in (b"GET / HTTP/1.1\r\n\r\n", h2.PREFACE + h2.frame(h2.PING, 0, 0, bytes(8))):
        connection = Connection()
        with pytest.raises(SessionError):
            connection.receive(first)

        assert faults(connection.take()) == [ends(PROTOCOL)]


def opened(*frames: bytes) -> tuple[Connection, list[Event]]:
    connection = Connection()
    connection.receive(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, b""))
    connection.take()
    return connection, connection.receive(b"".join(frames))


def test_window_may_shrink_below_nothing() -> None:
    """What was sent counts when the peer takes its window back, and so does what it gives then."""
    connection, _ = opened(last_headers(), setting(h2.INITIAL_WINDOW_SIZE, 3))
    connection.send(1, memoryview(b"abc"))
    connection.receive(setting(h2.INITIAL_WINDOW_SIZE, 1))

    assert connection.room(1) == 0
    connection.receive(room(2, 1))
    assert connection.room(1) == 0
    connection.receive(room(1, 1))
    assert connection.room(1) == 1


def test_last_of_several_settings_counts() -> None:
    """A frame may have the same setting twice."""
    both = struct.pack(">HLHL", h2.INITIAL_WINDOW_SIZE, 100, h2.INITIAL_WINDOW_SIZE, 1)
    connection, _ = opened(last_headers(), h2.frame(h2.SETTINGS, 0, 0, both))

    assert connection.room(1) == 1


def test_blanks_around_a_value_are_kept() -> None:
    """RFC 9113 forbids them, but gRPC for Go sends them: a pattern may begin with one."""
    _, events = opened(opened_with(("include-patterns", " a "), ("include-patterns", "\tb")))

    assert isinstance(events[0], CallOpened)
    assert events[0].metadata == {"include-patterns": (" a ", "\tb")}


def test_frames_that_bring_nothing_may_come_now_and_then() -> None:
    """However long a connection lives, what is no flood is none."""
    connection, _ = opened(headers())
    for _ in range(10):
        connection.receive(priority() * 5000 + data(b"x"))
        connection.give_credit(1, 1)
    connection.receive(headers(3))

    assert not faults(connection.take())


def test_message_of_a_status_has_no_blanks_around_it() -> None:
    """A strict peer would take the trailers for malformed."""
    assert status(2, " from the receiver: \n") == [
        ("grpc-status", "2"),
        ("grpc-message", "from the receiver:"),
    ]
    assert status(2, " ") == [("grpc-status", "2")]


@pytest.mark.parametrize(
    "sizes", [[0], [0, 0], [50, 50], [0, 4096], [2000, 100], [4096, 100, 2000, 100], [1 << 20]]
)
def test_table_of_headers_is_never_larger_than_the_peers(sizes: list[int]) -> None:
    """A strict peer reads our headers, whatever it said about its table, and how often."""
    connection, _ = opened(last_headers(), last_headers(3))
    decoder = Decoder()
    decoder.max_allowed_table_size = min(sizes)
    for size in sizes:
        connection.receive(setting(h2.HEADER_TABLE_SIZE, size))
    connection.take()
    for stream in (1, 3):
        connection.headers(stream, [(":status", "200"), ("a", "b")])

        assert decoder.decode(connection.take()[9:]) == [(":status", "200"), ("a", "b")]


@pytest.mark.parametrize("sizes", [[0, 0], [50, 50], [2000, 100], [0, 4096], [100, 100, 0, 0]])
def test_h2_reads_headers_after_any_change_of_its_table(sizes: list[int]) -> None:
    """The same with another implementation, whose changes come between answers."""
    peer, connection = H2Connection(H2Configuration(client_side=True)), Connection()
    peer.initiate_connection()
    for index, size in enumerate(sizes):
        peer.send_headers(2 * index + 1, REQUEST, end_stream=True)
        peer.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
        connection.receive(peer.data_to_send())
        peer.receive_data(connection.take())
    for index in range(len(sizes)):
        connection.headers(2 * index + 1, [(":status", "200"), ("a", "b")], is_last=True)

        assert peer.receive_data(connection.take())


def test_calls_that_are_worked_on_count_after_their_reset() -> None:
    """A slot is free once the call has ended and nothing works on it."""
    connection, _ = opened()
    for stream in range(1, 512, 2):
        connection.receive(headers(stream) + reset(stream))
    connection.receive(headers(513))

    assert faults(connection.take()) == [resets(513, REFUSED)]
    connection.done(1)
    connection.receive(headers(515) + headers(517))
    assert faults(connection.take()) == [resets(517, REFUSED)]


def test_our_own_resets_are_no_flood_of_the_peers() -> None:
    """Ending calls never fails, also where the peer has asked a lot and taken no answer."""
    asked = h2.frame(h2.PING, 0, 0, bytes(8)) * 61_680 + h2.frame(h2.SETTINGS, 0, 0, b"")
    connection, _ = opened(headers(), asked)  # one more would be too much
    connection.headers(1, [(":status", "200")], is_last=True)
    connection.reset(1)

    assert faults(connection.take()[-13:]) == [resets(1, 0)]
