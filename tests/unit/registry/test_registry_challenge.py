"""`WWW-Authenticate` as registries write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.registry.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="a, b"', [Challenge("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:library/debian:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/debian:pull,push",
                    },
                )
            ],
        ),
        (
            'Bearer realm="x", error="invalid_token", Basic Realm=plain',
            [
                Challenge("bearer", {"realm": "x", "error": "invalid_token"}),
                Challenge("basic", {"realm": "plain"}),
            ],
        ),
        (
            'Negotiate, BEARER realm = "q\\"uote\\\\"',
            [Challenge("negotiate", {}), Challenge("bearer", {"realm": 'q"uote\\'})],
        ),
        ("bearer realm=", [Challenge("bearer", {"realm": ""})]),
        ('"', []),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    """Commas stand in quotes, between parameters and between challenges."""
    assert parse_challenges(header) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bearer", "basic", "digest"]),
            st.dictionaries(
                st.sampled_from(["realm", "service", "scope", "error"]),
                st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
            ),
        )
    )
)
def test_challenges_written_are_challenges_read(offers: list[tuple[str, dict[str, str]]]) -> None:
    """What is written with quotes and escapes is read back whole."""

    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    header = ", ".join(
        " ".join(
            [scheme, ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())]
        )
        for scheme, parameters in offers
    )

    assert parse_challenges(header) == [
        Challenge(scheme, parameters) for scheme, parameters in offers
    ]


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    """A header that no server should send is no crash."""
    assert isinstance(parse_challenges(header), list)
