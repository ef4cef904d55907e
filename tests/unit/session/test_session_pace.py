"""How much a peer may send at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.session._pace import Pace


def test_peer_with_much_to_send_is_not_held_up() -> None:
    """What came in one piece is followed by twice as much: soon the peer may send all it has."""
    pace = Pace()
    amounts = []
    for receipt in range(20):
        amounts.append(pace.next_bytes())
        pace.note(receipt)

    assert amounts[:4] == [256, 512, 1024, 2048]
    assert amounts[-1] == 256 << 10


def test_peer_with_little_to_send_gets_little_at_a_time() -> None:
    """What came one by one is followed by less, so that more waits for the next time."""
    pace = Pace()
    for receipt in range(5):
        pace.next_bytes()
        pace.note(receipt)
    many = pace.next_bytes()
    for receipt in range(10, 20):
        pace.note(receipt)

    assert pace.next_bytes() == many // 2


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=60))
def test_amount_is_bounded(rounds: list[list[int]]) -> None:
    """Never nothing, which would be the end of it, and never more than is kept in memory."""
    pace = Pace()
    for receipts in rounds:
        for receipt in receipts:
            pace.note(receipt)

        assert 128 <= pace.next_bytes() <= 256 << 10
