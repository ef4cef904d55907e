"""gRPC's messages and statuses as HTTP/2 carries them. Source: gRPC over HTTP/2."""

from __future__ import annotations

import struct
from collections import deque
from urllib.parse import quote

from buildkit_spec.errors import SessionError

MAX_MESSAGE_BYTES = 16 << 20
"""The largest message either side takes. Source: ``defaults.DefaultMaxRecvMsgSize``."""

ANSWER = ((":status", "200"), ("content-type", "application/grpc"))
"""The headers of an answer."""

_PREFIX = struct.Struct(">BI")


def status(code: int, message: str) -> list[tuple[str, str]]:
    """Return the trailers that end an answer with a gRPC status."""
    trailers = [("grpc-status", str(code))]
    if message := message.strip():  # a header may not begin or end with a blank
        # Source: gRPC over HTTP/2, *Responses*: Percent-Encoded of UTF-8.
        text = quote(message, safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}", errors="replace")
        trailers.append(("grpc-message", text))
    return trailers


def varint(value: int) -> bytes:
    """Return a number as protobuf writes lengths and tags."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def message_prefix(size_bytes: int) -> bytes:
    """Return what precedes a message of this size: a flag, for not compressed, and its length."""
    return _PREFIX.pack(0, size_bytes)


def frame_message(payload: bytes) -> bytes:
    """Return a message as gRPC frames it."""
    return message_prefix(len(payload)) + payload


class Outgoing:
    """Bytes that wait to be sent, in the pieces they came in: none is copied."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, piece: bytes) -> None:
        """Take bytes that nobody changes any more."""
        if piece:
            self._pieces.append(memoryview(piece))
            self.size_bytes += len(piece)

    def take(self, most_bytes: int) -> memoryview:
        """Return the first bytes, at least one and at most so many; there are some."""
        piece = self._pieces.popleft()
        if len(piece) > most_bytes:
            self._pieces.appendleft(piece[most_bytes:])
            piece = piece[:most_bytes]
        self.size_bytes -= len(piece)
        return piece

    def clear(self) -> None:
        """Forget all of them."""
        self._pieces.clear()
        self.size_bytes = 0


class MessageReader:
    """Cuts a stream's bytes into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def is_between(self) -> bool:
        """Whether no message has been begun."""
        return not self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that these bytes complete.

        Raises:
            SessionError: A message is compressed, though we said that we read none, or too large.
        """
        if not self._rest and data[:1] == b"\0" and len(data) == _whole(data):
            return [data[_PREFIX.size :]]  # as nearly every message comes
        self._rest += data
        messages = []
        start, end = 0, len(self._rest)
        while end - start >= _PREFIX.size:
            flag, size = _PREFIX.unpack_from(self._rest, start)
            if flag:
                raise SessionError("the daemon sent a compressed message, which we never offered")
            if size > MAX_MESSAGE_BYTES:
                raise SessionError(
                    f"the daemon sent a message of {size} bytes (at most {MAX_MESSAGE_BYTES})"
                )
            start += _PREFIX.size
            if end - start < size:
                start -= _PREFIX.size
                break
            messages.append(bytes(self._rest[start : start + size]))
            start += size
        del self._rest[:start]
        return messages


def _whole(data: bytes) -> int:
    """Return the length of the message that begins here, with what precedes it."""
    return _PREFIX.size + int.from_bytes(data[1:5], "big")
