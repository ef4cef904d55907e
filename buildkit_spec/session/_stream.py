"""What is known of one HTTP/2 stream while it is open."""

from __future__ import annotations

FIRST_WINDOW_BYTES = 1 << 10
"""What the peer may send on a stream before it is given more."""


class Stream:
    """An open stream.

    Attributes:
        room: How many bytes we may send.
        credit: How many the peer may.
        left_bytes: How many it has yet to send, where it has told.
        is_half_closed: Whether it sends no more.
    """

    __slots__ = ("credit", "is_half_closed", "left_bytes", "room")

    def __init__(self, room: int, left_bytes: int | None) -> None:
        self.room = room
        self.credit = FIRST_WINDOW_BYTES
        self.left_bytes = left_bytes
        self.is_half_closed = False
