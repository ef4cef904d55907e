"""What the peer of an HTTP/2 connection did: what `Connection.receive` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class CallOpened(NamedTuple):
    """The peer opened a stream.

    Attributes:
        stream: HTTP/2 stream id.
        path: ``/package.Service/Method``.
        metadata: Headers other than pseudo-headers, in lower case.
    """

    stream: int
    path: str
    metadata: Mapping[str, tuple[str, ...]]


class DataArrived(NamedTuple):
    """Bytes on a stream.

    Attributes:
        stream: HTTP/2 stream id.
        data: The bytes.
        credit: Bytes to give back by `Connection.give_credit` once they are dealt with.
    """

    stream: int
    data: bytes
    credit: int


class HalfClosed(NamedTuple):
    """The peer sends no more on this stream."""

    stream: int


class CallReset(NamedTuple):
    """The stream is at its end, and nobody wants an answer any more."""

    stream: int


class GoneAway(NamedTuple):
    """The peer ends the connection."""


Event = CallOpened | DataArrived | HalfClosed | CallReset | GoneAway
