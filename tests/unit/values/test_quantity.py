"""Durations and sizes, as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.errors import InvalidValueError
from buildkit_spec.values.quantity import parse_duration_s, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("1h30m", 5400), ("7d", 604_800), ("1.5h", 5400), ("250ms", 0.25)],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    """A number with its unit, or several."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("10GB", 10_000_000_000),
        ("10GiB", 10 << 30),
        ("1.5kB", 1500),
        ("2 tb", 2 * 10**12),
        ("3m", 3_000_000),
    ],
)
def test_size_is_read(text: str, size: int) -> None:
    """Powers of 1000, as `du` shows them; with an i of 1024."""
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "h", "10", "1x", "-1h", "1h 2m", "1h!", "٣h"])
def test_duration_of_another_form_is_refused(text: str) -> None:
    """A number without a unit may be seconds or hours."""
    with pytest.raises(InvalidValueError):
        parse_duration_s(text)


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1PB", "1e9", "9999999TB", "1 2"])
def test_size_of_another_form_is_refused(text: str) -> None:
    """Also one that a daemon cannot be told."""
    with pytest.raises(InvalidValueError):
        parse_size_bytes(text)


@given(st.text(max_size=8))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out than a number that is not negative, or our error."""
    for parse in (parse_duration_s, parse_size_bytes):
        with contextlib.suppress(InvalidValueError):
            assert parse(text) >= 0
