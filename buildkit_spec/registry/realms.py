"""Which token servers registries name themselves: a login goes to no other.

During a build it is the daemon that says where a token is to be fetched, and it could say anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from buildkit_spec.errors import RegistryAuthError, RegistryUnavailableError
from buildkit_spec.registry.challenge import parse_challenges
from buildkit_spec.registry.hosts import api_host, split_port
from buildkit_spec.registry.transport import Transport


class Realms:
    """Asks registries for their token servers, each once. Safe to use from several threads.

    Args:
        transport: What to ask over.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._known: dict[str, set[str]] = {}

    def check(self, host: str, realm: str, repositories: Sequence[str]) -> None:
        """Refuse a token server that is neither the registry itself nor named by it.

        Args:
            host: The registry, with optional port.
            realm: The token server's URL.
            repositories: What the token is for: some registries ask for a login only there.

        A registry that cannot be reached from here may have it in its own domain.

        Raises:
            RegistryAuthError: It is another one.
            RegistryError: The registry's answer cannot be used.

        Source: distribution ``docs/spec/auth/token.md``.
        """
        server = urlsplit(realm).netloc.lower()
        if server == api_host(host).lower():
            return
        paths = ["/v2/", *(f"/v2/{one}/tags/list" for one in repositories)]
        try:
            if any(server in named for named in self._named(host, paths)):
                return
        except RegistryUnavailableError:
            # The daemon may reach a registry that we do not.
            if _domain(server) == _domain(host):
                return
        raise RegistryAuthError(
            f"the daemon wants the login of {host} sent to {server}, which {host} does not name",
            remedy="do not build on this daemon; if it is yours, look at what it has for a mirror",
        )

    def _named(self, host: str, paths: Sequence[str]) -> Iterator[set[str]]:
        with self._lock:
            known = self._known.setdefault(host, set())
            yield known
            for path in paths:
                answer = self._transport.ask("GET", api_host(host), path, {})
                for one in parse_challenges(answer.headers.get("www-authenticate", "")):
                    known.add(urlsplit(one.parameters.get("realm", "")).netloc.lower())
                yield known


def _domain(netloc: str) -> tuple[str, ...]:
    return tuple(split_port(netloc)[0].lower().split(".")[-2:])
