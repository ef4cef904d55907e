"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from buildkit_spec.errors import RegistryError
from buildkit_spec.registry.proxies import Proxies, Proxy


def test_proxy_is_chosen_by_scheme_and_lower_case_first() -> None:
    """Each scheme has its variable; `ALL_PROXY` stands in for one that is not set."""
    proxies = Proxies(
        {"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:2", "ALL_PROXY": "http://all:3"}
    )

    assert proxies.find("https", "ghcr.io", 443) == Proxy("low", 1)
    assert proxies.find("http", "ghcr.io", 80) == Proxy("all", 3)
    assert Proxies({}).find("https", "ghcr.io", 443) is None


def test_proxy_login_is_decoded_and_not_shown() -> None:
    """User and password of the variable become a Basic header that no text form shows."""
    proxy = Proxies({"https_proxy": "http://ada:a%3Ab%40c@proxy:3128"}).find(
        "https", "ghcr.io", 443
    )

    assert proxy is not None
    assert proxy.headers == {"Proxy-Authorization": "Basic YWRhOmE6YkBj"}
    assert "YWRh" not in repr(proxy)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_never_goes_through_a_proxy(host: str) -> None:
    """Loopback is this machine; no proxy can reach it."""
    assert Proxies({"all_proxy": "http://proxy:1"}).find("http", host, 5000) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "is_direct"),
    [
        ("*", "ghcr.io", 443, True),
        ("ghcr.io", "ghcr.io", 443, True),
        ("ghcr.io", "pkg.ghcr.io", 443, True),
        (".ghcr.io", "pkg.ghcr.io", 443, True),
        ("*.ghcr.io", "pkg.ghcr.io", 443, True),
        ("ghcr.io", "notghcr.io", 443, False),
        ("ghcr.io:5000", "ghcr.io", 443, False),
        ("ghcr.io:443", "ghcr.io", 443, True),
        ("a.example, 10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "ten.example", 443, False),
        ("[2001:db8::1]:443", "2001:db8::1", 443, True),
        ("2001:db8::1", "2001:db8::1", 443, True),
        ("GHCR.io", "ghcr.io", 443, True),
        ("", "ghcr.io", 443, False),
    ],
)
def test_no_proxy_exempts_hosts(no_proxy: str, host: str, port: int, is_direct: bool) -> None:
    """`NO_PROXY` names hosts with their subdomains, ports, addresses and networks."""
    proxies = Proxies({"https_proxy": "http://proxy:1", "NO_PROXY": no_proxy})

    assert (proxies.find("https", host, port) is None) is is_direct


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://user:secret@proxy:443"])
def test_proxy_that_cannot_be_used_is_told_without_its_login(url: str) -> None:
    """A proxy of another kind is an error that names the variable, not its value."""
    with pytest.raises(RegistryError, match="only http:// proxies") as caught:
        Proxies({"https_proxy": url}).find("https", "ghcr.io", 443)

    assert "https_proxy" in caught.value.remedy
    assert "secret" not in str(caught.value)
