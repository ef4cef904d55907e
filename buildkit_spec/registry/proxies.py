"""Which proxy a request goes through: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from buildkit_spec.errors import RegistryError
from buildkit_spec.registry.hosts import is_loopback


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Name or address.
        port: TCP port.
        authorization: Value for ``Proxy-Authorization``; empty without a login. Never shown.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that only the proxy may see."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


class Proxies:
    """The proxies that an environment names.

    Args:
        env: Lower-case variables win over upper-case ones, as in curl.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        every = _read(env, "all_proxy")
        self._by_scheme = {
            "http": _read(env, "http_proxy") or every,
            "https": _read(env, "https_proxy") or every,
        }
        self._exempt = tuple(
            entry for part in _read(env, "no_proxy").split(",") if (entry := part.strip().lower())
        )

    def find(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for an origin, or None when it is reached directly.

        Args:
            scheme: ``http`` or ``https``.
            host: Name or address without brackets.
            port: TCP port.

        Raises:
            RegistryError: The proxy is one that we cannot speak to.
        """
        url = self._by_scheme[scheme]
        if not url or is_loopback(host) or self._is_exempt(host.lower(), port):
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise RegistryError(
                f"cannot use the proxy for {scheme}: only http:// proxies are supported, "
                f"not {parts.scheme}://",
                remedy=f"set {scheme}_proxy to http://host:port, or name {host} in no_proxy",
            )
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        basic = base64.b64encode(login.encode()).decode() if parts.username else ""
        return Proxy(parts.hostname, parts.port or 80, f"Basic {basic}" if basic else "")

    def _is_exempt(self, host: str, port: int) -> bool:
        return any(_matches(entry, host, port) for entry in self._exempt)


def _read(env: Mapping[str, str], name: str) -> str:
    return env.get(name) or env.get(name.upper()) or ""


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether a ``no_proxy`` entry covers a host, as Go's ``httpproxy.Config`` reads it."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_in_network(host, entry)
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and ("]" in name or ":" not in name):
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*")
    return host == entry.removeprefix(".") or host.endswith("." + entry.removeprefix("."))


def _is_in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
