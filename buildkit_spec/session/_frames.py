"""HTTP/2 frames: bytes to frames and back. Source: RFC 9113, sections 4 and 6."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES = 16384  # the largest payload either side takes: nobody raises SETTINGS_MAX_FRAME_SIZE
MAX_WINDOW_BYTES = (1 << 31) - 1

DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

NO_ERROR = 0
PROTOCOL_ERROR = 1
FLOW_CONTROL_ERROR = 3
STREAM_CLOSED = 5
FRAME_SIZE_ERROR = 6
REFUSED_STREAM = 7
COMPRESSION_ERROR = 9
ENHANCE_YOUR_CALM = 11

HEADER_TABLE_SIZE = 1
ENABLE_PUSH = 2
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_SIZE = 5
MAX_HEADER_LIST_SIZE = 6

_HEADER = struct.Struct(">HBBBL")  # the length's 24 bits are two fields
_SETTING = struct.Struct(">HL")
_NUMBER = struct.Struct(">L")
_STREAM = (1 << 31) - 1

# Those whose payload has one length only.
_LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
# Those that belong to a stream, and those that belong to none.
_OF_STREAMS = {DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION}
_OF_NONE = {SETTINGS, PING, GOAWAY}

Frame = tuple[int, int, int, bytes]
"""Kind, flags, stream and payload."""


class ProtocolFault(Exception):
    """The peer broke the protocol.

    Attributes:
        code: HTTP/2 error code.
        reason: What it did, in a few words.
        stream: The one stream that this ends; 0 where it ends the connection.
    """

    def __init__(self, code: int, reason: str, stream: int = 0) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.stream = stream


class FrameReader:
    """Cuts a connection's bytes into frames, the client's preface first."""

    def __init__(self) -> None:
        self._rest = b""
        self._preface = PREFACE

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete.

        Raises:
            ProtocolFault: They are no HTTP/2, or a frame has a length or a stream that no frame
                of its kind may have.
        """
        if self._preface:
            count = min(len(self._preface), len(data))
            if data[:count] != self._preface[:count]:
                raise ProtocolFault(PROTOCOL_ERROR, "no HTTP/2 preface")
            self._preface = self._preface[count:]
            data = data[count:]
        data = self._rest + data if self._rest else data
        self._rest = b""
        start, end = 0, len(data)
        try:
            while end - start >= _HEADER.size:
                high, low, kind, flags, stream = _HEADER.unpack_from(data, start)
                size = high << 8 | low
                stream &= _STREAM
                if size > FRAME_BYTES:
                    raise ProtocolFault(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
                stop = start + _HEADER.size + size
                if stop > end:
                    break
                if kind:
                    _check(kind, flags, stream, size)
                elif not stream:
                    raise ProtocolFault(PROTOCOL_ERROR, "data on no stream")
                payload = data[start + _HEADER.size : stop]
                start = stop
                yield kind, flags, stream, payload
        finally:
            self._rest = data[start:]


def _check(kind: int, flags: int, stream: int, size: int) -> None:
    if (kind in _OF_STREAMS and not stream) or (kind in _OF_NONE and stream):
        raise ProtocolFault(PROTOCOL_ERROR, f"a frame of kind {kind} on stream {stream}")
    if size != _LENGTHS.get(kind, size):
        raise ProtocolFault(FRAME_SIZE_ERROR, f"a frame of kind {kind} of {size} bytes")
    if kind == SETTINGS and (size % _SETTING.size or (flags & ACK and size)):
        raise ProtocolFault(FRAME_SIZE_ERROR, f"settings of {size} bytes")
    if kind == GOAWAY and size < 8:
        raise ProtocolFault(FRAME_SIZE_ERROR, f"a farewell of {size} bytes")


def head(kind: int, flags: int, stream: int, size: int) -> bytes:
    """Return the header of a frame whose payload is of *size* bytes."""
    return _HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame."""
    return head(kind, flags, stream, len(payload)) + payload


def number(value: int) -> bytes:
    """Return the payload of RST_STREAM or WINDOW_UPDATE."""
    return _NUMBER.pack(value)


def read_number(payload: bytes) -> int:
    """Return what RST_STREAM or WINDOW_UPDATE carries; its first bit means nothing."""
    value: int = _NUMBER.unpack(payload)[0]
    return value & _STREAM


def settings(values: dict[int, int]) -> bytes:
    """Return the payload of SETTINGS."""
    return b"".join(_SETTING.pack(name, value) for name, value in values.items())


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yield what SETTINGS carries, in order.

    Raises:
        ProtocolFault: A setting has a value that it may not have.
    """
    for name, value in _SETTING.iter_unpack(payload):
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW_BYTES:
            raise ProtocolFault(FLOW_CONTROL_ERROR, f"a window of {value} bytes")
        if (name == ENABLE_PUSH and value > 1) or (
            name == MAX_FRAME_SIZE and not FRAME_BYTES <= value < 1 << 24
        ):
            raise ProtocolFault(PROTOCOL_ERROR, f"setting {name} of {value}")
        yield name, value


def without_padding(flags: int, payload: bytes) -> bytes:
    """Return the payload of DATA or HEADERS without its padding.

    Raises:
        ProtocolFault: There is more padding than payload.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolFault(PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
