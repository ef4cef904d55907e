"""A request's headers: which there may be, and what they say. Source: RFC 9113, section 8."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from buildkit_spec.session._frames import PROTOCOL_ERROR, ProtocolFault

Field = tuple[bytes, bytes]
"""Name and value."""

_PSEUDO = {":method", ":scheme", ":path", ":authority"}
_OF_CONNECTIONS = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
_NAME = re.compile(rb":?[!-9;-@\[-~]+")
# > A field value MUST NOT start or end with an ASCII whitespace character (section 8.2.1).
# gRPC for Go sends them as they are, and a pattern that begins with a blank is one.
_NOT_IN_VALUES = re.compile(rb"[\0\r\n]")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Request(NamedTuple):
    """What the headers of a request say.

    Attributes:
        path: ``/package.Service/Method``.
        metadata: Headers other than pseudo-headers, in lower case.
        size_bytes: How many bytes of data follow; None where that is not told.
    """

    path: str
    metadata: Mapping[str, tuple[str, ...]]
    size_bytes: int | None


def read_request(stream: int, headers: Iterable[Field]) -> Request:
    """Return the request that these headers make.

    Raises:
        ProtocolFault: They are no request's.
    """
    metadata: dict[str, list[str]] = {}
    pseudo: dict[str, str] = {}
    for name, value in _checked(stream, headers):
        if not name.startswith(":"):
            metadata.setdefault(name, []).append(value)
        elif metadata or name in pseudo or name not in _PSEUDO:
            raise ProtocolFault(PROTOCOL_ERROR, f"header {name!r}", stream)
        else:
            pseudo[name] = value
    if not (pseudo.get(":method") and pseudo.get(":scheme") and pseudo.get(":path")):
        raise ProtocolFault(PROTOCOL_ERROR, "a request without method, scheme or path", stream)
    lengths = metadata.get("content-length", [])
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise ProtocolFault(PROTOCOL_ERROR, "a length that is none", stream)
    return Request(
        pseudo[":path"],
        {name: tuple(values) for name, values in metadata.items()},
        int(lengths[0]) if lengths else None,
    )


def check_trailers(stream: int, headers: Iterable[Field]) -> None:
    """Check headers that follow a request's data.

    Raises:
        ProtocolFault: They may not.
    """
    for name, _ in _checked(stream, headers):
        if name.startswith(":"):
            raise ProtocolFault(PROTOCOL_ERROR, f"header {name!r} after the data", stream)


def _checked(stream: int, headers: Iterable[Field]) -> Iterator[tuple[str, str]]:
    for raw_name, raw_value in headers:
        name = raw_name.decode("ascii", "replace")
        value = raw_value.decode("utf-8", "surrogateescape")
        if (
            not _NAME.fullmatch(raw_name)
            or _NOT_IN_VALUES.search(raw_value)
            or name in _OF_CONNECTIONS
            or (name == "te" and value != "trailers")
        ):
            raise ProtocolFault(PROTOCOL_ERROR, f"header {name!r}", stream)
        yield name, value
