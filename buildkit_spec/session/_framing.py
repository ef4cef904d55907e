"""gRPC's messages and statuses as HTTP/2 carries them. Source: gRPC over HTTP/2."""

from __future__ import annotations

import struct
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


def message_prefix(size_bytes: int) -> bytes:
    """Return what precedes a message of this size: a flag, for not compressed, and its length."""
    return _PREFIX.pack(0, size_bytes)


def frame_message(payload: bytes) -> bytes:
    """Return a message as gRPC frames it."""
    return message_prefix(len(payload)) + payload


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
