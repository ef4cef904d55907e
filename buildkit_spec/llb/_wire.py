"""The part of protobuf's encoding we write ourselves: where every vertex passes, and map order.

protobuf's Python library (upb 7.36) puts a map's key behind the keys it begins, Go before them;
and ten thousand small messages cost more than the bytes they make.

Source: protobuf.dev, *Encoding*; field numbers from ``solver/pb/ops.proto``.
"""

from __future__ import annotations


def text(number: int, value: str) -> bytes:
    """Return a string field; an empty one is left out.

    Raises:
        UnicodeEncodeError: *value* is no Unicode text.
    """
    return delimited(number, value.encode()) if value else b""


def flag(number: int, value: bool) -> bytes:
    """Return a bool field; false is left out."""
    return bytes((number << 3, 1)) if value else b""


def integer(number: int, value: int) -> bytes:
    """Return an integer field of at least 0; 0 is left out."""
    return varint(number << 3) + varint(value) if value else b""


def entry(number: int, key: str, value: bytes) -> bytes:
    """Return one entry of a map field; *value* is its field 2, which a map always writes."""
    return delimited(number, delimited(1, key.encode()) + value)


def delimited(number: int, data: bytes) -> bytes:
    """Return a field of bytes, or of a message that is bytes already, empty or not."""
    return header(number, len(data)) + data


def header(number: int, size: int) -> bytes:
    """Return what stands before *size* bytes in field *number*."""
    if number < 0x10 and size < 0x80:
        return bytes((number << 3 | 2, size))
    return varint(number << 3 | 2) + varint(size)


def varint(value: int) -> bytes:
    """Return a number of at least 0 in base 128, lowest group first."""
    if value < 0x80:
        return bytes((value,))
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
