"""Names of registry hosts."""

from __future__ import annotations

import pytest

from buildkit_spec.registry.hosts import (
    api_host,
    canonical_host,
    helper_key,
    is_loopback,
    split_port,
)


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "Registry-1.docker.io"])
def test_hub_has_one_name_one_api_host_and_one_key(name: str) -> None:
    """All names of Docker Hub lead to its API host and its config key."""
    assert canonical_host(name) == "docker.io"
    assert api_host(name) == "registry-1.docker.io"
    assert helper_key(name) == "https://index.docker.io/v1/"


def test_other_hosts_keep_their_names() -> None:
    """A host that is not Docker Hub is asked and looked up under its own name."""
    assert api_host("ghcr.io") == helper_key("ghcr.io") == canonical_host("GHCR.io") == "ghcr.io"


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:30000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.10", True),
        ("[::1]:5000", True),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:5000", False),
        ("10.0.0.1:5000", False),
        ("notlocalhost", False),
    ],
)
def test_loopback_is_told_by_the_whole_name(netloc: str, expected: bool) -> None:
    """Only the loopback names themselves are loopback, not names that begin with them."""
    assert is_loopback(netloc) is expected


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("ghcr.io", ("ghcr.io", None)),
        ("localhost:5000", ("localhost", 5000)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("[::1]", ("::1", None)),
        ("::1", ("::1", None)),
    ],
)
def test_port_is_split_off(netloc: str, expected: tuple[str, int | None]) -> None:
    """Host and port come apart, IPv6 brackets included."""
    assert split_port(netloc) == expected
