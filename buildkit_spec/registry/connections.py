"""The pool of connections to registries, token servers and the proxies before them."""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from buildkit_spec.registry.hosts import is_loopback
from buildkit_spec.registry.proxies import Proxies
from buildkit_spec.registry.tls import Trusts

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a connection and a secret belong to.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or address, without brackets.
        port: TCP port.
        netloc: Host and port as they were written.
        registry: Whose certificates are trusted and shown there: the registry's own, also by its
            token server and by what it redirects to.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    registry: str

    @classmethod
    def of(cls, url: str, registry: str) -> Origin:
        """Read the origin of a URL that is asked on behalf of a registry.

        Raises:
            ValueError: It is not an http or https URL with a host and a valid port.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("not an http or https URL")
        netloc = parts.netloc.rpartition("@")[2]
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname, port, netloc, registry)


class _Idle:
    """Connections that wait for their next request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: dict[Origin, list[HTTPConnection]] = {}

    def take(self, origin: Origin) -> HTTPConnection | None:
        with self._lock:
            idle = self._connections.get(origin)
            return idle.pop() if idle else None

    def give(self, origin: Origin, connection: HTTPConnection) -> None:
        with self._lock:
            self._connections.setdefault(origin, []).append(connection)

    def close(self) -> None:
        with self._lock:
            idle, self._connections = self._connections, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()


class Connections:
    """Opens connections and keeps those that can be used again.

    Args:
        trusts: Whom TLS trusts.
        proxies: What stands between.
        insecure_hosts: Hosts (with port) that may be spoken to over plain http, or over TLS
            without checking their certificate.
        http_hosts: Hosts (with port) that speak plain http.
        timeout_s: How long one step on a socket may take, in seconds.
    """

    def __init__(
        self,
        trusts: Trusts,
        proxies: Proxies,
        insecure_hosts: Iterable[str],
        http_hosts: Iterable[str],
        timeout_s: float,
    ) -> None:
        self._trusts = trusts
        self._proxies = proxies
        self._insecure = frozenset(host.lower() for host in insecure_hosts)
        self._http = frozenset(http_hosts)
        self._timeout_s = timeout_s
        self._idle = _Idle()
        # For those who never close: an open socket is not to be left to the garbage collector.
        weakref.finalize(self, self._idle.close)

    def is_insecure(self, netloc: str) -> bool:
        """Whether ``host[:port]`` was allowed by name to be spoken to in the clear."""
        return netloc.lower() in self._insecure

    def allows_http(self, netloc: str) -> bool:
        """Whether ``host[:port]`` may be spoken to in the clear: loopback, or allowed by name."""
        return is_loopback(netloc) or self.is_insecure(netloc) or netloc.lower() in self._http

    def proxy_headers(self, origin: Origin) -> dict[str, str] | None:
        """Return what a proxy wants with each request of *origin*; None when there is no proxy.

        Only requests over http are the proxy's; over https it sees a tunnel.
        """
        proxy = self._proxies.find(origin.scheme, origin.host, origin.port)
        return proxy.headers if proxy and origin.scheme == "http" else None

    def take(self, origin: Origin) -> HTTPConnection | None:
        """Return an idle connection, which the server may have closed meanwhile, or None."""
        return self._idle.take(origin)

    def give(self, origin: Origin, connection: HTTPConnection) -> None:
        """Keep a connection whose last answer was read to its end."""
        self._idle.give(origin, connection)

    def close(self) -> None:
        """Close the idle connections."""
        self._idle.close()

    def open(self, origin: Origin) -> HTTPConnection:
        """Open a connection.

        Raises:
            OSError: It cannot be opened; `ssl.SSLError` when TLS is why.
            HTTPException: What answers is not HTTP.
        """
        if origin.scheme == "http":
            return self._connect(origin, None)
        trust = self._trusts.of(origin.registry)
        if self.is_insecure(origin.netloc):
            return self._connect(origin, trust.unchecked_context())
        try:
            return self._connect(origin, trust.context())
        except ssl.SSLCertVerificationError:
            if not trust.is_partial:
                raise
            return self._connect(origin, trust.context(is_whole=True))

    def speaks_tls(self, netloc: str) -> bool:
        """Try a TLS handshake without looking at the certificate, and hang up."""
        origin = Origin.of(f"https://{netloc}", netloc)
        try:
            connection = self._connect(origin, self._trusts.of(netloc).unchecked_context())
        except (OSError, HTTPException):
            return False
        connection.close()
        return True

    def _connect(self, origin: Origin, context: ssl.SSLContext | None) -> HTTPConnection:
        proxy = self._proxies.find(origin.scheme, origin.host, origin.port)
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        connection: HTTPConnection
        if context is None:
            connection = HTTPConnection(host, port, timeout=self._timeout_s)
        else:
            connection = HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
            if proxy:
                connection.set_tunnel(origin.host, origin.port, headers=proxy.headers)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection
