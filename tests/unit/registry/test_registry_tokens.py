"""Times in the answers of token servers."""

from __future__ import annotations

import pytest

from buildkit_spec.registry.tokens import _unix_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("2026-11-23T10:00:00.123456789Z", 1795428000),
        ("2026-11-23T12:30:00+02:30", 1795428000),
        ("2026-11-23t08:00:00-02:00", 1795428000),
        ("", 0),
        ("yesterday", 0),
    ],
)
def test_issued_at_is_read_in_any_zone_and_precision(text: str, expected: int) -> None:
    """RFC 3339 with Go's nanoseconds and any offset becomes Unix time; anything else is 0."""
    assert _unix_time(text) == expected
