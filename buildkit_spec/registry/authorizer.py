"""Answers to a registry's 401: which login or token goes with a request."""

from __future__ import annotations

import base64
import threading
import time
from typing import TYPE_CHECKING

from buildkit_spec.errors import RegistryUnavailableError
from buildkit_spec.registry.failures import login_refused
from buildkit_spec.registry.hosts import api_host
from buildkit_spec.registry.logins import Logins

if TYPE_CHECKING:
    from buildkit_spec.registry.challenge import Challenge

_SHARE_OF_LIFETIME = 0.9


class Authorizer:
    """Keeps what each registry wants and the tokens it was given.

    A registry asks all repositories for the same kind of login, so that after its first 401 the
    token for another repository is fetched before it is asked for (as BuildKit's
    ``util/resolver/authorizer.go`` does).

    Args:
        logins: Where logins come from and tokens are fetched with.
    """

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._challenges: dict[str, Challenge] = {}
        self._scopes: dict[tuple[str, str], list[str]] = {}
        self._headers: dict[tuple[str, str], tuple[str, float]] = {}

    def uses_tokens(self, registry: str) -> bool:
        """Whether the registry has asked for a bearer token, as only registries do."""
        challenge = self._challenges.get(registry)
        return challenge is not None and challenge.scheme == "bearer"

    def header(self, registry: str, repository: str) -> str:
        """Return ``Authorization`` for a request; empty while the registry has not asked for it.

        Raises:
            RegistryAuthError: There is no login, or it is refused.
            RegistryUnavailableError: The token server did not answer.
        """
        challenge = self._challenges.get(registry)
        if challenge is None:
            return ""
        with self._lock_of(registry, repository):
            header, expires = self._headers.get((registry, repository), ("", 0.0))
            if time.monotonic() >= expires:
                header, expires = self._make(registry, repository, challenge)
                self._headers[registry, repository] = (header, expires)
            return header

    def challenge(self, registry: str, repository: str, asked: str, refused: str) -> str:
        """Take a registry's 401 and return the ``Authorization`` to try next.

        Args:
            registry: Host with optional port.
            repository: Path below it.
            asked: The value of ``WWW-Authenticate``.
            refused: The ``Authorization`` that was just refused; empty when there was none.

        Returns:
            *refused* itself when there is no better one: a password is refused for good, and so is
            a token that does not allow enough.

        Raises:
            RegistryAuthError: There is no login, or it is refused.
            RegistryUnavailableError: The registry asks for nothing that we can give.
        """
        from buildkit_spec.registry.challenge import parse_challenges

        offers = {offer.scheme: offer for offer in reversed(parse_challenges(asked))}
        challenge = offers.get("bearer") or offers.get("basic")
        if challenge is None:
            raise RegistryUnavailableError(
                f"{registry} refuses the request and names no login that we know",
                status=401,
                remedy="check that this is a registry",
            )
        self._challenges[registry] = challenge
        key = (registry, repository)
        with self._lock_of(registry, repository):
            scopes = self._scopes.get(key)
            if scope := challenge.parameters.get("scope"):
                # Not always the repository's own: Artifactory and Harbor put a project before it.
                self._scopes[key] = scope.split()
            # Another thread may have been told the same and have a fresh token already.
            if self._headers.get(key, ("", 0.0))[0] == refused:
                is_short = challenge.parameters.get("error") == "insufficient_scope"
                if refused and is_short and self._scopes.get(key) == scopes:
                    return refused
                self._headers.pop(key, None)
        return self.header(registry, repository)

    def _make(self, registry: str, repository: str, challenge: Challenge) -> tuple[str, float]:
        credentials = self._logins.credentials(registry, repository)
        if challenge.scheme == "basic":
            if credentials is None:
                raise login_refused(registry, None, status=401)
            login = f"{credentials.username}:{credentials.secret}"
            return f"Basic {base64.b64encode(login.encode()).decode()}", float("inf")
        token = self._logins.fetch_token(
            host=api_host(registry),
            realm=challenge.parameters.get("realm", ""),
            service=challenge.parameters.get("service", ""),
            scopes=self._scopes.get((registry, repository), [f"repository:{repository}:pull"]),
            credentials=credentials,
        )
        lifetime_s = token.expires_in_s * _SHARE_OF_LIFETIME
        return f"Bearer {token.value}", time.monotonic() + lifetime_s

    def _lock_of(self, registry: str, repository: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault((registry, repository), threading.Lock())
