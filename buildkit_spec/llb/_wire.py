"""The few bytes of protobuf we write ourselves: length-delimited fields around bytes we have."""

from __future__ import annotations


def header(number: int, size: int) -> bytes:
    """Return what stands before *size* bytes in field *number*.

    Source: protobuf.dev, *Encoding*, "Length-Delimited Records".
    """
    return varint(number << 3 | 2) + varint(size)


def varint(value: int) -> bytes:
    """Return a number of at least 0 in base 128, lowest group first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
