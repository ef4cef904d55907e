"""Times in the answers of token servers."""

from __future__ import annotations

import json

import pytest

from buildkit_spec.registry.tokens import _read, _unix_time
from buildkit_spec.registry.transport import Answer
from buildkit_spec.values import BearerToken


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


NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("said", "date", "expected"),
    [
        ({"expires_in": 300, "issued_at": "2026-11-23T12:00:00Z"}, NOON, 300),
        ({"expires_in": 300, "issued_at": "2026-11-23T11:58:20Z"}, NOON, 200),
        ({"expires_in": 300, "issued_at": "2026-11-23T11:58:20Z"}, "", 300),
        ({"expires_in": 300, "issued_at": "2026-11-23T11:58:20Z"}, "soon", 300),
        ({"expires_in": 300, "issued_at": "2026-11-23T09:00:00Z"}, NOON, 300),
        ({"expires_in": 300, "issued_at": "2026-11-23T15:00:00Z"}, NOON, 300),
        ({"expires_in": 300}, NOON, 300),
        ({}, NOON, 60),
        ({"issued_at": "2026-11-23T11:59:50Z"}, NOON, 50),
        ({"expires_in": None}, NOON, 60),
        ({"expires_in": 0}, NOON, 60),
        ({"expires_in": 10}, NOON, 10),
        ({"expires_in": 0.5}, NOON, 1),
        ({"expires_in": -300}, NOON, 1),
        ({"expires_in": "300"}, NOON, 300),
        ({"expires_in": 10**30}, NOON, 24 * 3600),
    ],
)
def test_token_lasts_as_long_as_its_server_says_by_its_own_clock(
    said: dict[str, object], date: str, expected: int
) -> None:
    """Only the server's two times are compared, never with ours; what cannot be is left out."""
    answer = Answer(200, {"date": date}, json.dumps({"token": "t", **said}).encode())

    assert _read(answer, "registry.test", "https://token.test") == BearerToken("t", expected)


def test_token_without_an_end_is_kept_for_a_day() -> None:
    """JSON has numbers that no clock has."""
    answer = Answer(200, {}, b'{"token": "t", "expires_in": 1e999}')

    assert _read(answer, "registry.test", "https://token.test").expires_in_s == 24 * 3600
