"""The protocol without its wires: HTTP/2 and gRPC framing as bytes in, events out, bytes out.

We are the server. Nothing here blocks, waits or knows a thread; `Connection` must be used by one
thread at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError

from buildkit_spec.errors import SessionError

MAX_MESSAGE_BYTES = 16 << 20
"""The largest message either side takes. Source: ``defaults.DefaultMaxRecvMsgSize``."""

_STREAM_WINDOW_BYTES = 4 << 20
_CONNECTION_WINDOW_BYTES = 1 << 30  # what bounds memory is each stream's window
_MAX_STREAMS = 256
_MAX_HEADER_BYTES = 1 << 20  # a Dockerfile's ignore file may come as thousands of patterns
_PREFIX = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class CallOpened:
    """The peer opened a stream.

    Attributes:
        stream: HTTP/2 stream id.
        path: ``/package.Service/Method``; empty where the peer named none.
        metadata: Headers other than pseudo-headers, in lower case.
    """

    stream: int
    path: str
    metadata: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DataArrived:
    """Bytes on a stream.

    Attributes:
        stream: HTTP/2 stream id.
        data: The bytes.
        credit: Bytes to give back by `Connection.give_credit` once they are dealt with.
    """

    stream: int
    data: bytes
    credit: int


@dataclass(frozen=True, slots=True)
class HalfClosed:
    """The peer sends no more on this stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class CallReset:
    """The peer wants no answer any more."""

    stream: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer ends the connection."""


Event = CallOpened | DataArrived | HalfClosed | CallReset | GoneAway


class Connection:
    """The server's side of one HTTP/2 connection that carries gRPC calls.

    PING and SETTINGS are answered by themselves; what is to go out is fetched by `take`.
    """

    def __init__(self) -> None:
        # Header rules are not checked: one odd value must not end the calls of everybody else.
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MAX_HEADER_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = _MAX_HEADER_BYTES
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer.

        Raises:
            SessionError: They are not HTTP/2; what `take` then returns says so to the peer.
        """
        try:
            events = self._h2.receive_data(data)
        except (H2Error, HPACKError, HyperframeError) as error:
            reason = f"{type(error).__name__} {str(error).rstrip('.').lower()}".strip()
            raise SessionError(f"the daemon broke the session's protocol: {reason}") from error
        ours: list[Event] = []
        for event in events:
            if isinstance(event, DataReceived):
                credit = event.flow_controlled_length or 0
                ours.append(DataArrived(_id(event.stream_id), event.data or b"", credit))
            elif isinstance(event, RequestReceived):
                ours.append(_opened(_id(event.stream_id), event.headers or []))
            elif isinstance(event, StreamEnded):
                ours.append(HalfClosed(_id(event.stream_id)))
            elif isinstance(event, StreamReset):
                ours.append(CallReset(_id(event.stream_id)))
            elif isinstance(event, ConnectionTerminated):
                ours.append(GoneAway())
        return ours

    def give_credit(self, stream: int, credit: int) -> None:
        """Let the peer send this many bytes more."""
        self._h2.acknowledge_received_data(credit, stream)

    def room(self, stream: int) -> int:
        """Return how many bytes the peer takes on this stream now."""
        return max(0, self._h2.local_flow_control_window(stream))

    def begin(self, stream: int) -> None:
        """Begin the answer: it has messages."""
        self._h2.send_headers(stream, _ANSWER)

    def send(self, stream: int, data: memoryview) -> None:
        """Send bytes, no more of them than there is room for."""
        size = self._h2.max_outbound_frame_size
        for start in range(0, len(data), size):
            self._h2.send_data(stream, bytes(data[start : start + size]))

    def end(self, stream: int, code: int, message: str, *, has_begun: bool) -> None:
        """End the answer with a gRPC status, and the stream with it."""
        trailers = [] if has_begun else list(_ANSWER)
        trailers.append(("grpc-status", str(code)))
        if message:
            # Source: gRPC over HTTP/2, *Responses*: Percent-Encoded of UTF-8.
            text = quote(message, safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}", errors="replace")
            trailers.append(("grpc-message", text))
        self._h2.send_headers(stream, trailers, end_stream=True)

    def reset(self, stream: int) -> None:
        """End a stream that is answered, but on which the peer has not ended its requests."""
        self._h2.reset_stream(stream, ErrorCodes.NO_ERROR)

    def leave(self) -> None:
        """End the connection."""
        self._h2.close_connection()

    def take(self) -> bytes:
        """Return the bytes for the peer since the last time; may be empty."""
        return self._h2.data_to_send()


_ANSWER = ((":status", "200"), ("content-type", "application/grpc"))


def _id(stream: int | None) -> int:
    assert stream is not None
    return stream


def _opened(stream: int, headers: object) -> CallOpened:
    metadata: dict[str, tuple[str, ...]] = {}
    assert isinstance(headers, list)
    for raw_name, raw_value in headers:
        name = bytes(raw_name).decode("ascii", "replace").lower()
        value = bytes(raw_value).decode("utf-8", "surrogateescape")
        metadata[name] = (*metadata.get(name, ()), value)
    path = metadata.get(":path", ("",))[0]
    return CallOpened(stream, path, {k: v for k, v in metadata.items() if not k.startswith(":")})


def frame_message(payload: bytes) -> bytes:
    """Return a message as gRPC frames it: a flag, its length, its bytes."""
    return _PREFIX.pack(0, len(payload)) + payload


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
