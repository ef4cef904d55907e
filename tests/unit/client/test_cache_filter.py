"""Filters of a cache: as users of buildx and buildctl write them, as a daemon reads them."""

from __future__ import annotations

import pytest

from buildkit_spec.client.cache_filter import CacheFilter, parse_filters
from buildkit_spec.errors import InvalidValueError


@pytest.mark.parametrize(
    ("texts", "expression"),
    [
        (["type=regular"], "type==regular"),
        (["type==regular"], "type==regular"),
        (["type!=regular", "shared"], "type!=regular,shared"),
        (["type=exec.cachemount,private"], "type==exec.cachemount,private"),
        (["id=abc"], "id~=^abc"),
        (["id==abc"], "id==abc"),
        (["description~=pip install"], 'description~="pip install"'),
        (['description="a"'], 'description=="\\"a\\""'),
    ],
)
def test_filters_are_said_in_the_daemons_words(texts: list[str], expression: str) -> None:
    """One sign of equality is two, an id is how it begins, and all have to fit."""
    assert parse_filters(texts) == CacheFilter((expression,))


def test_no_filter_is_everything() -> None:
    """A daemon takes an empty expression for one that fits nothing that it knows."""
    assert parse_filters([]) == CacheFilter()


@pytest.mark.parametrize("text", ["until=24h", "unused-for=1d", "until==1440m"])
def test_time_is_no_expression(text: str) -> None:
    """It goes to the daemon in another way."""
    assert parse_filters([text, "shared"]) == CacheFilter(("shared",), 86_400)


@pytest.mark.parametrize(
    "text", ["typ=regular", "until", "until!=3h", "until=soon", "=x", "until=1h,until=2h", "a b"]
)
def test_filter_that_no_daemon_knows_is_refused(text: str) -> None:
    """It would fit nothing, and `!=` with it everything."""
    with pytest.raises(InvalidValueError):
        parse_filters([text])
