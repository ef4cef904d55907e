"""Which token servers registries name themselves: a login goes to no other.

During a build it is the daemon that says where a token is to be fetched, and it could say anything.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from buildkit_spec.errors import RegistryAuthError, RegistryUnavailableError
from buildkit_spec.registry.challenge import parse_challenges
from buildkit_spec.registry.hosts import api_host, split_port
from buildkit_spec.registry.transport import Transport

_IS_ADDRESS = re.compile(r"[\d.]+|.*:.*")
# Clouds' own domains, those of a cluster's services, and countries' such as co.uk.
_IS_SHARED = re.compile(
    r"\.(azurecr\.(io|cn|us)|amazonaws\.com(\.cn)?|on\.aws|pkg\.dev|gcr\.io|cr\.aliyuncs\.com"
    r"|svc|svc\.cluster\.local|cluster\.local|(ac|co|com|edu|gov|ne|net|or|org)\.[a-z]{2})$"
)


class Realms:
    """Asks registries for their token servers, each once. Safe to use from several threads.

    Args:
        transport: What to ask over.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[str]] = {}

    def check(self, host: str, realm: str, repositories: Sequence[str]) -> None:
        """Refuse a token server that is neither the registry itself nor named by it.

        Args:
            host: The registry, with optional port.
            realm: The token server's URL.
            repositories: What the token is for: some registries ask for a login only there.

        A registry that cannot be reached from here may have it in its own domain, unless that is
        one in which everybody can have a name.

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
            if are_of_one_owner(split_port(server)[0], split_port(host.lower())[0]):
                return
        raise RegistryAuthError(
            f"the daemon wants requests for {host} sent to {server}, which {host} does not name",
            remedy="do not build on this daemon; if it is yours, look at what it has for a mirror",
        )

    def _named(self, host: str, paths: Sequence[str]) -> Iterator[frozenset[str]]:
        with self._lock:
            yield self._known.get(host, frozenset())
        for path in paths:
            answer = self._transport.ask("GET", api_host(host), path, {})
            found = {
                urlsplit(one.parameters.get("realm", "")).netloc.lower()
                for one in parse_challenges(answer.headers.get("www-authenticate", ""))
            }
            with self._lock:
                known = self._known[host] = self._known.get(host, frozenset()) | found
            yield known


def are_of_one_owner(server: str, host: str) -> bool:
    """Whether two names without ports are one, or lie in one domain that somebody owns."""
    if server == host:
        return True
    domain = host.partition(".")[2]
    return (
        server.partition(".")[2] == domain
        and "." in domain
        and not _IS_ADDRESS.fullmatch(host)
        and not _IS_SHARED.search(f".{domain}")
    )
