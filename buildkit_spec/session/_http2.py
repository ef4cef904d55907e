"""HTTP/2 without its wires, the server's side: bytes in, events out, bytes out.

Nothing here blocks, waits or knows a thread; a `Connection` must be used by one thread at a time.
Our own, because this is the path of every byte of a build's files: a general library takes as long
for a frame as reading a small file does. Header compression is hpack's.

Source: RFC 9113.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError, OversizedHeaderListError

from buildkit_spec.errors import SessionError
from buildkit_spec.session import _frames as h2
from buildkit_spec.session._events import (
    CallOpened,
    CallReset,
    DataArrived,
    Event,
    GoneAway,
    HalfClosed,
)
from buildkit_spec.session._fields import Field, check_trailers, read_request
from buildkit_spec.session._frames import FrameReader, ProtocolFault
from buildkit_spec.session._stream import FIRST_WINDOW_BYTES, Stream

_CONNECTION_WINDOW_BYTES = 1 << 30  # what bounds memory is each stream's window
_CONNECTION_CREDIT_BYTES = 1 << 24
_MAX_STREAMS = 256
_MAX_HEADER_BYTES = 1 << 20  # a Dockerfile's ignore file may come as thousands of patterns
_MAX_REPLIES_BYTES = 1 << 20  # of a peer that makes us answer, and takes no answers
_MAX_IDLE_FRAMES = 10_000  # one after the other; a few are usual
_USUAL_WINDOW_BYTES = 65535


class Connection:
    """The server's side of one connection.

    PING and SETTINGS are answered by themselves; what is to go out is fetched by `take`. A call
    counts against the limit until it has ended and `done` was told of it.
    """

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._decoder = Decoder()
        self._decoder.max_header_list_size = _MAX_HEADER_BYTES
        self._encoder = Encoder()
        # Answers have few headers and short ones. Without a table, the peer may change its size as
        # it likes: ours is never larger, and is told once.
        self._encoder.header_table_size = 0
        self._streams: dict[int, Stream] = {}
        self._working: set[int] = set()  # calls that are worked on, be they reset or not
        self._last = 0  # the newest stream's id
        self._ended: deque[int] = deque(maxlen=_MAX_STREAMS)  # by us, before the peer did
        self._closed: deque[int] = deque(maxlen=_MAX_STREAMS)  # with the peer's knowing
        self._has_settings = False
        self._block: tuple[int, int, bytearray] | None = None  # headers that are continued
        self._credit = _CONNECTION_WINDOW_BYTES
        self._owed = 0
        self._room = self._stream_room = _USUAL_WINDOW_BYTES
        self._out: list[bytes | memoryview] = []
        self._replies_bytes = 0
        self._idle_frames = 0
        self._handlers: dict[int, Callable[[int, int, bytes, list[Event]], None]] = {
            h2.DATA: self._on_data,
            h2.HEADERS: self._on_headers,
            h2.RST_STREAM: self._on_reset,
            h2.SETTINGS: self._on_settings,
            h2.PUSH_PROMISE: self._on_promise,
            h2.PING: self._on_ping,
            h2.GOAWAY: lambda _flags, _stream, _payload, events: events.append(GoneAway()),
            h2.WINDOW_UPDATE: self._on_window,
            h2.CONTINUATION: self._on_continuation,
        }
        ours = {
            h2.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
            h2.INITIAL_WINDOW_SIZE: FIRST_WINDOW_BYTES,
            h2.MAX_HEADER_LIST_SIZE: _MAX_HEADER_BYTES,
        }
        self._out.append(h2.frame(h2.SETTINGS, 0, 0, h2.settings(ours)))
        more = _CONNECTION_WINDOW_BYTES - _USUAL_WINDOW_BYTES
        self._out.append(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(more)))

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer.

        Raises:
            SessionError: They are not HTTP/2; what `take` then returns says so to the peer.
        """
        events: list[Event] = []
        frames = self._reader.feed(data)
        try:
            while True:
                try:
                    for kind, flags, stream, payload in frames:
                        self._on_frame(kind, flags, stream, payload, events)
                    return events
                except ProtocolFault as fault:
                    if not fault.stream:
                        raise
                    self._forget(fault.stream)
                    self._reply(h2.frame(h2.RST_STREAM, 0, fault.stream, h2.number(fault.code)))
                    events.append(CallReset(fault.stream))
        except ProtocolFault as fault:
            self._farewell(fault.code)
            raise SessionError(
                f"the daemon broke the session's protocol: {fault.reason}"
            ) from fault

    def _on_frame(
        self, kind: int, flags: int, stream: int, payload: bytes, events: list[Event]
    ) -> None:
        if not self._has_settings:
            if kind != h2.SETTINGS or flags & h2.ACK:
                raise ProtocolFault(h2.PROTOCOL_ERROR, "a connection that begins without settings")
            self._has_settings = True
        if self._block is not None and (kind, stream) != (h2.CONTINUATION, self._block[0]):
            raise ProtocolFault(h2.PROTOCOL_ERROR, "a frame amidst headers")
        if handler := self._handlers.get(kind):
            handler(flags, stream, payload, events)
        else:  # PRIORITY, which is of no use any more, and what we do not know
            self._endure()

    def _endure(self) -> None:
        """Count a frame that brings nothing."""
        self._idle_frames += 1
        if self._idle_frames > _MAX_IDLE_FRAMES:
            raise ProtocolFault(h2.ENHANCE_YOUR_CALM, "a flood of frames that bring nothing")

    def _on_data(self, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        size = len(payload)
        self._credit -= size
        if self._credit < 0:
            raise ProtocolFault(h2.FLOW_CONTROL_ERROR, "more data than there was room for")
        known = self._streams.get(stream)
        if known is None or known.is_half_closed:
            self._refuse_data(stream, size)
            return
        known.credit -= size
        if known.credit < 0:
            self.restore(size)
            raise ProtocolFault(h2.FLOW_CONTROL_ERROR, "more data than there was room for", stream)
        if flags & h2.PADDED:
            payload = h2.without_padding(flags, payload)
        if size:
            events.append(DataArrived(stream, payload, size))
        if payload:
            self._idle_frames = 0
        elif not flags & h2.END_STREAM:
            self._endure()
        if known.left_bytes is not None:
            known.left_bytes -= len(payload)
        if flags & h2.END_STREAM or (known.left_bytes or 0) < 0:
            self._half_close(stream, known, events)

    def _half_close(self, stream: int, known: Stream, events: list[Event]) -> None:
        if known.left_bytes:
            raise ProtocolFault(h2.PROTOCOL_ERROR, "another length than was told", stream)
        known.is_half_closed = True
        events.append(HalfClosed(stream))

    def _on_headers(self, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        block = h2.without_padding(flags, payload)
        if flags & h2.WITH_PRIORITY:
            if len(block) < 5:
                raise ProtocolFault(h2.FRAME_SIZE_ERROR, "headers without their priority")
            block = block[5:]
        if not stream % 2:
            raise ProtocolFault(h2.PROTOCOL_ERROR, f"headers on stream {stream}, which is ours")
        self._block = (stream, flags, bytearray(block))
        if flags & h2.END_HEADERS:
            self._on_block(events)

    def _on_continuation(
        self, flags: int, stream: int, payload: bytes, events: list[Event]
    ) -> None:
        if self._block is None:
            raise ProtocolFault(h2.PROTOCOL_ERROR, "a continuation of nothing")
        self._block[2].extend(payload)
        if not payload:
            self._endure()
        if len(self._block[2]) > _MAX_HEADER_BYTES:
            raise ProtocolFault(h2.ENHANCE_YOUR_CALM, "endless headers")
        if flags & h2.END_HEADERS:
            self._on_block(events)

    def _on_block(self, events: list[Event]) -> None:
        assert self._block is not None
        stream, flags, block = self._block
        self._block = None
        try:
            decoded = self._decoder.decode(bytes(block), raw=True)
            headers = [(bytes(name), bytes(value)) for name, value in decoded]
        except OversizedHeaderListError as error:
            raise ProtocolFault(h2.ENHANCE_YOUR_CALM, "endless headers") from error
        except (HPACKError, IndexError) as error:
            raise ProtocolFault(h2.COMPRESSION_ERROR, "headers that cannot be read") from error
        known = self._streams.get(stream)
        if known is not None and not known.is_half_closed:
            if not flags & h2.END_STREAM:
                raise ProtocolFault(h2.PROTOCOL_ERROR, "headers amidst data", stream)
            check_trailers(stream, headers)
        elif stream <= self._last:
            self._refuse_headers(stream)
            return
        else:
            known = self._open(stream, headers, events)
        if flags & h2.END_STREAM:
            self._half_close(stream, known, events)

    def _open(self, stream: int, headers: Sequence[Field], events: list[Event]) -> Stream:
        self._last = stream
        if len(self._working | self._streams.keys()) >= _MAX_STREAMS:
            raise ProtocolFault(h2.REFUSED_STREAM, "too many calls", stream)
        request = read_request(stream, headers)
        self._idle_frames = 0
        self._working.add(stream)
        self._streams[stream] = opened = Stream(self._stream_room, request.size_bytes)
        events.append(CallOpened(stream, request.path, request.metadata))
        return opened

    def _on_reset(self, _flags: int, stream: int, _payload: bytes, events: list[Event]) -> None:
        if stream > self._last or not stream % 2:
            raise ProtocolFault(h2.PROTOCOL_ERROR, f"a reset of stream {stream}, which never was")
        if self._streams.pop(stream, None):
            self._closed.append(stream)
            events.append(CallReset(stream))
        else:
            self._endure()

    def _on_settings(self, flags: int, _stream: int, payload: bytes, _events: list[Event]) -> None:
        if flags & h2.ACK:
            self._endure()
            return
        told = dict(h2.read_settings(payload))
        if more := told.get(h2.INITIAL_WINDOW_SIZE, self._stream_room) - self._stream_room:
            self._stream_room += more
            for known in self._streams.values():
                known.room += more  # may go below nothing
                if known.room > h2.MAX_WINDOW_BYTES:
                    raise ProtocolFault(h2.FLOW_CONTROL_ERROR, "a window that is too large")
        self._reply(h2.frame(h2.SETTINGS, h2.ACK, 0, b""))

    def _on_promise(self, _flags: int, _stream: int, _payload: bytes, _events: list[Event]) -> None:
        raise ProtocolFault(h2.PROTOCOL_ERROR, "a client's push")

    def _on_ping(self, flags: int, _stream: int, payload: bytes, _events: list[Event]) -> None:
        if flags & h2.ACK:
            self._endure()
        else:
            self._reply(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _on_window(self, _flags: int, stream: int, payload: bytes, _events: list[Event]) -> None:
        more = h2.read_number(payload)
        known = self._streams.get(stream)
        if stream and known is None:
            if stream > self._last or not stream % 2:
                raise ProtocolFault(h2.PROTOCOL_ERROR, f"room on stream {stream}, which never was")
            self._endure()  # it has just ended
            return
        if not more:
            raise ProtocolFault(h2.PROTOCOL_ERROR, "room for nothing", stream)
        if known is None:
            self._room += more
        else:
            known.room += more
        if max(self._room, known.room if known else 0) > h2.MAX_WINDOW_BYTES:
            raise ProtocolFault(h2.FLOW_CONTROL_ERROR, "a window that is too large", stream)

    def _refuse_data(self, stream: int, size: int) -> None:
        """Raise the fault of data on a stream that takes none, unless the peer cannot know it."""
        self.restore(size)
        if stream > self._last or not stream % 2:
            raise ProtocolFault(h2.PROTOCOL_ERROR, f"data on stream {stream}, which never was")
        if stream not in self._ended:
            raise ProtocolFault(h2.STREAM_CLOSED, "a frame after the last", stream)
        if not size:
            self._endure()

    def _refuse_headers(self, stream: int) -> None:
        """Raise the fault of headers on a stream that is no new one, unless as above."""
        if stream in self._ended:
            self._endure()
            return
        if stream in self._streams:
            raise ProtocolFault(h2.STREAM_CLOSED, "headers after the last frame", stream)
        if stream in self._closed:
            raise ProtocolFault(h2.STREAM_CLOSED, f"headers on stream {stream}, which has ended")
        raise ProtocolFault(h2.PROTOCOL_ERROR, f"stream {stream} after stream {self._last}")

    # --- what we say

    def done(self, stream: int) -> None:
        """Note that nothing works on a call any more: until then it counts, also when reset."""
        self._working.discard(stream)

    def give_credit(self, stream: int, credit: int) -> None:
        """Let the peer send this many bytes more."""
        self.restore(credit)
        self.widen(stream, credit)

    def widen(self, stream: int, more: int) -> None:
        """Let the peer send this many bytes more on a stream, none having been dealt with."""
        known = self._streams.get(stream)
        if known is not None and not known.is_half_closed:
            known.credit += more
            self._out.append(h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.number(more)))

    def credit(self, stream: int) -> int:
        """Return how many bytes the peer may still send on a stream; 0 when it has ended."""
        known = self._streams.get(stream)
        return known.credit if known is not None else 0

    def restore(self, credit: int) -> None:
        """Note bytes that were dealt with, of any stream."""
        self._owed += credit
        if self._owed >= _CONNECTION_CREDIT_BYTES:
            self._credit += self._owed
            self._out.append(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(self._owed)))
            self._owed = 0

    def room(self, stream: int) -> int:
        """Return how many bytes the peer takes on this stream now."""
        return max(0, min(self._room, self._streams[stream].room))

    def headers(
        self, stream: int, headers: Sequence[tuple[str, str]], *, is_last: bool = False
    ) -> None:
        """Send headers, or trailers."""
        block = self._encoder.encode(headers)
        kind, flags = h2.HEADERS, h2.END_STREAM if is_last else 0
        for start in range(0, len(block), h2.FRAME_BYTES):
            part = block[start : start + h2.FRAME_BYTES]
            if start + h2.FRAME_BYTES >= len(block):
                flags |= h2.END_HEADERS
            self._out.append(h2.frame(kind, flags, stream, part))
            kind, flags = h2.CONTINUATION, 0
        if is_last and self._streams[stream].is_half_closed:
            del self._streams[stream]
            self._closed.append(stream)

    def send(self, stream: int, data: memoryview) -> None:
        """Send bytes, no more of them than there is room for; they must not change any more."""
        size = len(data)
        self._room -= size
        self._streams[stream].room -= size
        for start in range(0, size, h2.FRAME_BYTES):
            part = data[start : start + h2.FRAME_BYTES]
            self._out.append(h2.head(h2.DATA, 0, stream, len(part)))
            self._out.append(part)

    def reset(self, stream: int, code: int = h2.NO_ERROR) -> None:
        """End a stream both ways."""
        self._forget(stream)
        self._out.append(h2.frame(h2.RST_STREAM, 0, stream, h2.number(code)))

    def _forget(self, stream: int) -> None:
        self._streams.pop(stream, None)
        self._ended.append(stream)

    def leave(self) -> None:
        """End the connection."""
        self._farewell(h2.NO_ERROR)

    def _farewell(self, code: int) -> None:
        payload = h2.number(self._last) + h2.number(code)
        self._out.append(h2.frame(h2.GOAWAY, 0, 0, payload))

    def _reply(self, data: bytes) -> None:
        self._out.append(data)
        self._replies_bytes += len(data)
        if self._replies_bytes > _MAX_REPLIES_BYTES:
            raise ProtocolFault(h2.ENHANCE_YOUR_CALM, "questions without taking the answers")

    @property
    def has_output(self) -> bool:
        """Whether `take` returns anything."""
        return bool(self._out)

    def take(self, envelope: Callable[[int], bytes] = lambda _: b"") -> bytes:
        """Return the bytes for the peer since the last time; may be empty.

        Args:
            envelope: Returns what is to precede so many bytes. Here, so that they are copied once.
        """
        if not self._out:
            return b""
        taken = b"".join((envelope(sum(map(len, self._out))), *self._out))
        self._out.clear()
        self._replies_bytes = 0
        return taken
