"""HTTP to registries and token servers: whole answers over reused connections, from any thread.

It stands on the standard library's `http.client`: a no-change build is one HEAD request, and a
larger client takes longer to import than the registry takes to answer (measured beside each other,
CPython 3.11: `http.client` with `ssl` 31 ms, urllib3 83 ms, httpx 154 ms).
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import (
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    IncompleteRead,
)
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from buildkit_spec._version import __version__
from buildkit_spec.errors import RegistryError, RegistryUnavailableError
from buildkit_spec.registry.connections import Connections, Origin
from buildkit_spec.registry.failures import connection_error
from buildkit_spec.registry.hosts import api_host, is_loopback
from buildkit_spec.registry.proxies import Proxies
from buildkit_spec.registry.tls import Trusts
from buildkit_spec.values import RegistryConfig

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest manifest that every registry takes (OCI distribution spec, *Pushing Manifests*)."""

_USER_AGENT = f"buildkit-spec/{__version__}"
_MAX_REDIRECTS = 5
_MAX_RETRY_AFTER_S = 5.0
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {429, 500, 502, 503, 504}
_BROKEN = (ConnectionResetError, BadStatusLine, IncompleteRead)
_READ_BYTES = 64 * 1024
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"
_BY_NAME = RegistryConfig()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response.

    Attributes:
        status: The status code.
        headers: By lower-case name; repeated ones joined by ``, ``.
        body: As it came, at most the limit asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    registry: str
    headers: Mapping[str, str]
    body: bytes | None
    limit_bytes: int

    @property
    def origin(self) -> Origin:
        try:
            return Origin.of(self.url, self.registry)
        except ValueError as error:
            netloc = urlsplit(self.url).netloc.rpartition("@")[2]
            raise RegistryError(
                f"cannot connect to {netloc!r}: {error}",
                remedy="check the registry's host and port",
            ) from error


class Transport:
    """Sends requests and brings whole answers.

    Args:
        insecure_hosts: Hosts (with port) that may be spoken to over plain http, or over TLS
            without checking their certificate.
        ca_file: Certificates (PEM) trusted beside the system's.
        timeout_s: How long one connection attempt or one answer may take, in seconds.
        retry_delays_s: Pauses before a GET or HEAD is sent again after 429, 5xx or a broken
            connection, in seconds; their number is the number of retries.
        env: Proxies and certificates are read from it.
        config: Registries that are reached in another way than by their name, over TLS.
    """

    def __init__(
        self,
        *,
        insecure_hosts: Iterable[str] = (),
        ca_file: str | Path | None = None,
        timeout_s: float = 20.0,
        retry_delays_s: Sequence[float] = (0.25, 1.0),
        env: Mapping[str, str] = os.environ,
        config: RegistryConfig = _BY_NAME,
    ) -> None:
        http_hosts = [api_host(one.host) for one in config.registries if one.is_http]
        trusts = Trusts(ca_file, env, config)
        self._connections = Connections(trusts, Proxies(env), insecure_hosts, http_hosts, timeout_s)
        self._timeout_s = timeout_s
        self._retry_delays_s = tuple(retry_delays_s)
        self._schemes = dict.fromkeys(http_hosts, "http")
        self._schemes |= {
            api_host(one.host): "https" for one in config.registries if one.has_certificates
        }

    def allows_http(self, netloc: str) -> bool:
        """Whether ``host[:port]`` may be spoken to in the clear: loopback, or allowed by name."""
        return self._connections.allows_http(netloc)

    def close(self) -> None:
        """Close the idle connections. The transport can be used again."""
        self._connections.close()

    def ask(
        self,
        method: str,
        host: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        limit_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send a request to a registry, over http or https as the host needs it.

        https is the rule. A loopback host is asked over http first and over https when it turns
        out to speak TLS; a host allowed by name is asked over https when it speaks TLS, else over
        http. What was found is kept.

        Args:
            method: ``HEAD``, ``GET``, ``PUT``, ``POST`` or ``DELETE``.
            host: With optional port.
            path: Path and query, beginning with a slash.
            headers: Sent as they are.
            body: Bytes to send, or None.
            limit_bytes: The largest body taken.

        Raises:
            RegistryUnavailableError: There was no whole answer in time.
            RegistryError: There will be none: the TLS certificate, the proxy or a redirect.
        """
        scheme = self._schemes.get(host.lower())
        answer = None
        if scheme is None:
            scheme = self._first_scheme(host)
            if scheme == "http" and is_loopback(host):
                url = f"http://{host}{path}"
                request = _Request(method, url, host, headers, body, limit_bytes)
                answer = self._guess(request)
                if answer is None and self._connections.speaks_tls(host):
                    scheme = "https"
        if answer is None:
            url = f"{scheme}://{host}{path}"
            answer = self.request(
                method, url, headers, body, registry=host, limit_bytes=limit_bytes
            )
        self._schemes[host.lower()] = scheme
        return answer

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        registry: str,
        limit_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send a request; all but POST and DELETE are tried again after passing faults.

        GET and HEAD follow redirects.

        Args:
            method: ``GET``, ``HEAD``, ``PUT``, ``POST`` or ``DELETE``.
            url: http or https.
            headers: Sent as they are; ``Authorization`` is not sent on to another origin.
            body: Bytes to send, or None.
            registry: On behalf of which registry (with port): its certificates count.
            limit_bytes: The largest body taken.

        Raises:
            RegistryUnavailableError: There was no whole answer in time.
            RegistryError: There will be none: the TLS certificate, the proxy or a redirect.
        """
        request = _Request(method, url, registry, headers, body, limit_bytes)
        origin = request.origin
        if method in {"POST", "DELETE"}:
            return self._send(request)
        if method == "PUT":
            return self._send_patiently(request)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send_patiently(request)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            request = self._redirected(request, location)
        raise RegistryError(
            f"{origin.netloc} redirects more than {_MAX_REDIRECTS} times",
            remedy="check the registry's name and the proxy in front of it",
        )

    def _first_scheme(self, host: str) -> str:
        if self._connections.is_insecure(host):
            return "https" if self._connections.speaks_tls(host) else "http"
        return "http" if is_loopback(host) else "https"

    def _guess(self, request: _Request) -> Answer | None:
        """Ask over http; None when the answer is one that a TLS server might give.

        Go's and nginx' TLS servers answer 400, others send an alert or hang up.
        """
        try:
            answer = self._send(request)
        except RegistryUnavailableError as error:
            if isinstance(error.__cause__, (TimeoutError, ConnectionRefusedError)):
                raise
            return None
        return None if answer.status == 400 or answer.status in _REDIRECTS | _PASSING else answer

    def _redirected(self, request: _Request, location: str) -> _Request:
        """Return the next request; a secret stays with the origin it is for."""
        source = request.origin
        url = urljoin(request.url, quote(location, safe=_URL_CHARACTERS))
        try:
            target = Origin.of(url, request.registry)
        except ValueError as error:
            raise RegistryError(
                f"{source.netloc} redirects to something that is not a web address",
                remedy="check the registry's name and the proxy in front of it",
            ) from error
        if target.scheme == "http" and not self.allows_http(target.netloc):
            raise RegistryError(
                f"{source.netloc} redirects to plain http at {target.netloc}",
                remedy=f"let the registry use https, or allow {target.netloc} by name",
            )
        headers = dict(request.headers)
        if target != source:
            headers.pop("Authorization", None)
        return replace(request, url=url, headers=headers, body=None)

    def _send_patiently(self, request: _Request) -> Answer:
        for delay_s in self._retry_delays_s:
            wait_s = delay_s
            try:
                answer = self._send(request)
            except RegistryUnavailableError as error:
                if not isinstance(error.__cause__, _BROKEN):
                    raise
            else:
                if answer.status not in _PASSING:
                    return answer
                after = answer.headers.get("retry-after", "")
                wait_s = max(delay_s, float(after)) if after.isdecimal() else delay_s
                if wait_s > _MAX_RETRY_AFTER_S:
                    return answer
            time.sleep(wait_s)
        return self._send(request)

    def _send(self, request: _Request) -> Answer:
        """Send once; only a connection that died while it was idle is replaced."""
        origin = request.origin
        try:
            idle = self._connections.take(origin)
            if idle is not None:
                try:
                    return self._exchange(idle, origin, request)
                except (ConnectionError, ssl.SSLError):
                    pass
            return self._exchange(self._connections.open(origin), origin, request)
        except (OSError, HTTPException) as error:
            raise connection_error(error, origin.netloc, timeout_s=self._timeout_s) from error

    def _exchange(self, connection: HTTPConnection, origin: Origin, request: _Request) -> Answer:
        """Send on one connection and read the whole answer; keep the connection if it is sound."""
        parts = urlsplit(request.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": _USER_AGENT, **request.headers}
        proxy_headers = self._connections.proxy_headers(origin)
        if proxy_headers is not None:
            path = f"http://{origin.netloc}{path}"
            headers.update(proxy_headers)
        is_sound = False
        try:
            connection.request(request.method, path, request.body, headers)
            # A response that ends its connection has the socket to itself.
            with closing(connection.getresponse()) as response:
                data = self._read(response, request.limit_bytes)
            is_sound = not response.will_close
        finally:
            if is_sound:
                self._connections.give(origin, connection)
            else:
                connection.close()
        fields: dict[str, str] = {}
        for name, value in response.getheaders():
            key = name.lower()
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
        return Answer(response.status, fields, data)

    def _read(self, response: HTTPResponse, limit_bytes: int) -> bytes:
        ends = time.monotonic() + self._timeout_s
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_READ_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit_bytes:
                raise HTTPException(f"the answer is larger than {limit_bytes} bytes")
            if time.monotonic() > ends:
                raise TimeoutError("the answer comes too slowly")
        if response.length:
            raise IncompleteRead(b"", response.length)
        return b"".join(chunks)
