"""`Pace`: how much a peer may send at a time, so that its many small messages come together.

A daemon asks for each file by a message of its own, some ten bytes, and gRPC sends each at once
while it may. To take one costs more than to read the file that it asks for. While it may send
nothing, they wait there, and then come in one piece.
"""

from __future__ import annotations

_LEAST_BYTES = 128
_MOST_BYTES = 256 << 10
_TOGETHER = 2


class Pace:
    """Finds how many bytes a stream is to be given at a time.

    As many as wait at the peer: it is more when they came in one piece, and fewer when they came
    one by one, which means that none were waiting.
    """

    def __init__(self) -> None:
        self._bytes = _LEAST_BYTES
        self._pieces = 0
        self._last = -1

    def note(self, receipt: int) -> None:
        """Note that bytes came, with the connection's receipt of this number."""
        if receipt != self._last:
            self._pieces += 1
            self._last = receipt

    def next_bytes(self) -> int:
        """Return how many it may send now, having sent all that it was given."""
        is_more = self._pieces <= _TOGETHER
        self._bytes = self._bytes * 2 if is_more else self._bytes // 2
        self._bytes = max(_LEAST_BYTES, min(self._bytes, _MOST_BYTES))
        self._pieces = 0
        return self._bytes
