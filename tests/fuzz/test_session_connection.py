"""The session's HTTP/2 in long random conversations: with h2 as a peer, and with a hostile one."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import SessionError
from buildkit_spec.session import _frames as h2
from buildkit_spec.session._events import CallOpened, CallReset, DataArrived, HalfClosed
from buildkit_spec.session._http2 import Connection

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "x")]
VALUES = ["", "a", "é", "b" * 50, "b" * 50, *map(str, range(15)), "Z" * 17_000]


def content(stream: int, start: int, size: int) -> bytes:
    """What is sent on a stream: every place of it is known by its bytes."""
    period = bytes((stream + place) % 251 for place in range(251))
    turned = period[start % 251 :] + period[: start % 251]
    return (turned * (size // 251 + 1))[:size]


@dataclass
class Stream:
    """A stream as each side knows it."""

    value: str
    asked: int = 0
    heard: int = 0
    said: int = 0
    got: int = 0
    owed: int = 0
    is_complete: bool = False  # the peer has sent all
    is_abandoned: bool = False  # by the peer
    is_ended: bool = False  # the peer has all
    is_reset: bool = False  # the peer knows that we refuse it
    is_open: bool = False  # for us
    has_begun: bool = False
    is_half_closed: bool = False
    is_refused: bool = False  # by us

    @property
    def is_over_for_peer(self) -> bool:
        return self.is_abandoned or self.is_reset or (self.is_complete and self.is_ended)


class Conversation:
    """Two ends that keep the rules, and bytes between them that come in any pieces."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.peer = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.peer.initiate_connection()
        self.ours = Connection()
        self.up = b""
        self.down = b""
        self.streams: dict[int, Stream] = {}
        self.pings = 0
        self.carry_all()

    def go_on(self, count: int) -> None:
        """Let either side do something, so many times."""
        steps: list[Callable[[], None]] = [
            self.open, self.ask, self.ask, self.ask, self.finish, self.abandon, self.prefer,
            self.change_settings, self.change_settings, self.give_room, self.give_room, self.ping,
            self.say, self.say, self.say, self.end, self.refuse, self.give_credit,
            self.carry_up, self.carry_up, self.carry_up, self.carry_down, self.carry_down,
        ]  # fmt: skip
        for _ in range(count):
            self.random.choice(steps)()
            for one in self.streams:
                if self.streams[one].is_open:
                    assert 0 <= self.ours.room(one) <= h2.MAX_WINDOW_BYTES

    def _one(self, fits: Callable[[Stream], bool]) -> Iterator[tuple[int, Stream]]:
        fitting = [(number, one) for number, one in self.streams.items() if fits(one)]
        if fitting:
            yield self.random.choice(fitting)

    def _size(self) -> int:
        return self.random.randrange(self.random.choice([1, 100, 60_000]))

    # --- the peer

    def open(self) -> None:
        number = 2 * len(self.streams) + 1
        one = Stream(self.random.choice(VALUES), is_complete=self.random.random() < 0.3)
        self.streams[number] = one
        headers = [*REQUEST, ("x-value", one.value)]
        self.peer.send_headers(number, headers, end_stream=one.is_complete)

    def ask(self) -> None:
        padding = self.random.choice([None, None, 0, 1, 255])
        for number, one in self._one(self._can_ask):
            left = min(self._size(), self.peer.local_flow_control_window(number) - 2000)
            while left > 0:
                part = min(left, 16_384 - 256)
                self.peer.send_data(number, content(number, one.asked, part), pad_length=padding)
                one.asked += part
                left -= part

    def finish(self) -> None:
        for number, one in self._one(self._can_ask):
            one.is_complete = True
            if self.random.random() < 0.5:
                self.peer.send_headers(number, [("x-trailer", one.value)], end_stream=True)
            else:
                self.peer.end_stream(number)

    def abandon(self) -> None:
        for number, one in self._one(lambda one: not one.is_over_for_peer):
            one.is_abandoned = True
            self.peer.reset_stream(number)

    def prefer(self) -> None:
        self.peer.prioritize(2 * self.random.randrange(40) + 1, weight=self.random.randint(1, 256))

    def change_settings(self) -> None:
        # Both at a time, always: h2 takes the answer to one for an answer to the next, too.
        self.peer.update_settings({
            SettingCodes.INITIAL_WINDOW_SIZE: self.random.choice([0, 1, 100, 65_535, 1 << 20]),
            SettingCodes.HEADER_TABLE_SIZE: self.random.choice([0, 50, 100, 4096, 65_536]),
        })  # fmt: skip

    def give_room(self) -> None:
        more = self.random.choice([1, 1000, 70_000])
        self.peer.increment_flow_control_window(more)
        for number, _ in self._one(lambda one: not one.is_over_for_peer):
            self.peer.increment_flow_control_window(more, number)

    def ping(self) -> None:
        count = self.random.randint(1, 50)
        for _ in range(count):
            self.peer.ping(b"is there")
        self.pings += count

    @staticmethod
    def _can_ask(one: Stream) -> bool:
        return not one.is_complete and not one.is_over_for_peer

    # --- we

    def say(self) -> None:
        for number, one in self._one(lambda one: one.is_open):
            if not one.has_begun:
                self.ours.headers(number, [(":status", "200"), ("x-value", one.value)])
                one.has_begun = True
            size = min(self._size(), self.ours.room(number))
            self.ours.send(number, memoryview(content(number, one.said, size)))
            one.said += size

    def end(self) -> None:
        for number, one in self._one(lambda one: one.is_open):
            first = [] if one.has_begun else [(":status", "200")]
            self.ours.headers(number, [*first, ("x-status", one.value)], is_last=True)
            one.is_open = False
            if not one.is_half_closed:
                self._refuse(number, one)
            self.ours.done(number)

    def refuse(self) -> None:
        for number, one in self._one(lambda one: one.is_open):
            self._refuse(number, one)
            self.ours.done(number)

    def _refuse(self, number: int, one: Stream) -> None:
        self.ours.reset(number)
        one.is_refused, one.is_open = True, False

    def give_credit(self) -> None:
        for number, one in self._one(lambda one: bool(one.owed)):
            self.ours.give_credit(number, one.owed)
            one.owed = 0

    # --- the wire

    def carry_up(self) -> None:
        """Take some of the peer's bytes to us."""
        share = self.random.choice([0.5, 0.99, 1])
        self.up += self.peer.data_to_send()
        size = round(len(self.up) * share)
        piece, self.up = self.up[:size], self.up[size:]
        for event in self.ours.receive(piece):
            one = self.streams[event.stream]  # type: ignore[union-attr]
            if isinstance(event, CallOpened):
                assert event.metadata == {"x-value": (one.value,)}
                one.is_open = True
            elif isinstance(event, DataArrived):
                assert not one.is_refused
                assert event.data == content(event.stream, one.heard, len(event.data))
                one.heard += len(event.data)
                one.owed += event.credit
            elif isinstance(event, HalfClosed):
                assert one.heard == one.asked
                one.is_half_closed = True
            else:
                assert isinstance(event, CallReset)
                assert one.is_abandoned  # who keeps the rules is not reset
                one.is_open = False
                self.ours.done(event.stream)

    def carry_down(self) -> None:
        """Take some of our bytes to the peer; breaking a rule is an error there."""
        share = self.random.choice([0.5, 0.99, 1])
        self.down += self.ours.take()
        size = round(len(self.down) * share)
        piece, self.down = self.down[:size], self.down[size:]
        for event in self.peer.receive_data(piece):
            if isinstance(event, PingAckReceived):
                self.pings -= 1
            elif isinstance(event, DataReceived):
                one = self.streams[event.stream_id]
                assert event.data == content(event.stream_id, one.got, len(event.data))
                one.got += len(event.data)
            elif isinstance(event, StreamEnded):
                self.streams[event.stream_id].is_ended = True
            elif isinstance(event, StreamReset):
                self.streams[event.stream_id].is_reset = True

    def carry_all(self) -> None:
        for _ in range(40):
            self.carry_up()
            self.carry_down()

    def finish_all(self) -> None:
        """Carry the rest: all has arrived, every question is answered, and no credit is lost."""
        self.carry_all()
        for number, one in self.streams.items():
            if not one.is_abandoned:
                assert one.got == one.said
            if not one.is_abandoned and not one.is_refused:
                assert one.heard == one.asked
            self.ours.give_credit(number, one.owed)
        assert self.pings == 0
        assert self.ours._credit + self.ours._owed == 1 << 30


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=True))
def test_two_that_keep_the_rules_understand_each_other(random: Random) -> None:
    """No byte is lost or out of turn and no rule is broken, whatever they do and how bytes come."""
    conversation = Conversation(random)
    conversation.go_on(150)
    conversation.finish_all()


FIELDS = st.lists(
    st.sampled_from([
        *REQUEST, ("content-length", "3"), ("te", "trailers"), ("a", "b" * 3000), ("A", "b"),
        ("a", "\n"), ("connection", "close"), (":status", "200"),
    ]),
    max_size=7,
)  # fmt: skip
PAYLOADS = st.one_of(
    st.just(b""),
    st.binary(max_size=20),
    st.sampled_from([b"\0" * 4, b"\0\0\0\1", b"\x7f\xff\xff\xff", b"x" * 16_000]),
    st.builds(lambda fields: Encoder().encode(REQUEST + fields), FIELDS),
    st.builds(lambda fields: Encoder().encode(fields), FIELDS),
    st.builds(h2.settings, st.dictionaries(st.integers(1, 6), st.sampled_from([0, 1, 70_000]))),
)
BLOCK = Encoder().encode([*REQUEST, ("a", "b" * 3000)])
SANE = st.sampled_from([
    h2.frame(h2.PING, 0, 0, bytes(8)), h2.frame(h2.SETTINGS, 0, 0, b""),
    h2.frame(h2.HEADERS, 4, 1, BLOCK), h2.frame(h2.HEADERS, 4, 3, BLOCK),
    h2.frame(h2.HEADERS, 0, 5, BLOCK), h2.frame(h2.CONTINUATION, 0, 5, b"x" * 16_000),
    h2.frame(h2.DATA, 0, 1, b"x" * 16_000), h2.frame(h2.DATA, 0, 3, b"x"),
    h2.frame(h2.RST_STREAM, 0, 1, bytes(4)), h2.frame(h2.WINDOW_UPDATE, 0, 3, h2.number(1)),
])  # fmt: skip
FRAMES = st.one_of(
    SANE,
    st.builds(
        h2.frame,
        st.one_of(st.integers(0, 10), st.sampled_from([h2.DATA, h2.HEADERS, h2.CONTINUATION])),
        st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 4, 5])),
        st.one_of(st.integers(0, 9), st.just(1)),
        PAYLOADS,
    ),
)


def kept_bytes(thing: object) -> int:
    """The memory of an object and of all that only it may hold."""
    seen: set[int] = set()
    todo, total = [thing], 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (type, types.ModuleType, types.FunctionType)):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        todo += gc.get_referents(one)
    return total


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(FRAMES, st.sampled_from([1, 1, 1, 300, 500_000])), max_size=12))
def test_whatever_a_peer_sends_what_is_kept_is_bounded(frames: list[tuple[bytes, int]]) -> None:
    """Frames of any sense, each once or in a flood, with the answers not taken."""
    connection = Connection()
    connection.receive(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, b""))
    with contextlib.suppress(SessionError):
        for frame, times in frames:
            connection.receive(frame * min(times, 1 + (4 << 20) // len(frame)))

    assert kept_bytes(connection) < 12 << 20


@settings(max_examples=10, deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=12))
def test_calls_opened_without_end_are_bounded(frames: list[bytes]) -> None:
    """The same with new streams all the time: what is remembered of old ones is little."""
    connection = Connection()
    connection.receive(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, b""))
    numbers = itertools.count(1, 2)
    with contextlib.suppress(SessionError):
        for index in range(2000):
            stream = next(numbers)
            connection.receive(h2.frame(h2.HEADERS, 4, stream, BLOCK))
            again = frames[index % len(frames)]
            connection.receive(again[:5] + h2.number(stream) + again[9:])
            connection.done(stream)
            connection.take()

    assert kept_bytes(connection) < 12 << 20
