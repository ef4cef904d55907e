"""The registry logins of this machine: files, credential helpers, and tokens got with them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.registry.hosts import canonical_host, helper_key
from buildkit_spec.values import BearerToken, Credentials
from buildkit_spec.values.user import home_directory

if TYPE_CHECKING:
    from buildkit_spec.registry.login_file import Login, LoginFile
    from buildkit_spec.registry.realms import Realms
    from buildkit_spec.registry.transport import Transport

CLIENT_ID = "buildkit-spec"
"""What we call ourselves to token servers."""

_HELPER_TIMEOUT_S = 30.0
_FRESH_S = 290.0
"""How long a helper's answer is kept.

Tokens of Google Artifact Registry under Workload Identity live 5 minutes
(BuildKit ``session/auth/authprovider/authprovider.go`` keeps answers 4 min 50 s for that).
"""


class Logins:
    """Logins by registry host. Nothing is read before a registry asks for a login.

    The first file that has a login for the host wins; in each file a credential helper goes
    before the entries: the host's own one, else the store. Safe to use from several threads at
    once.

    Args:
        paths: Login files in the order they are asked; those that do not exist are passed over.
        inline: The text of a login file that goes before them, as ``$DOCKER_AUTH_CONFIG`` has it.
        env: The environment credential helpers run in.
        transport: What tokens are fetched over; by default one of its own with *env*'s proxies.
        helper_timeout_s: How long a credential helper may take, in seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path] = (),
        *,
        inline: str = "",
        env: Mapping[str, str] = os.environ,
        transport: Transport | None = None,
        helper_timeout_s: float = _HELPER_TIMEOUT_S,
    ) -> None:
        self._paths = tuple(paths)
        self._inline = inline
        self._env = env
        self._transport = transport
        self._helper_timeout_s = helper_timeout_s
        self._lock = threading.Lock()
        self._helper_lock = threading.Lock()
        self._read: list[LoginFile] | None = None
        self._stamps: tuple[tuple[int, ...], ...] = ()
        self._helped: dict[tuple[str, str], tuple[float, Credentials | None]] = {}
        self._realms: Realms | None = None

    @classmethod
    def load(cls, env: Mapping[str, str] = os.environ, *, home: Path | None = None) -> Logins:
        """Return the logins that Docker and podman keep for this user.

        First to last: the text of ``$DOCKER_AUTH_CONFIG``; the files ``$REGISTRY_AUTH_FILE``;
        ``$DOCKER_CONFIG/config.json``, by default ``~/.docker/config.json``;
        ``$XDG_RUNTIME_DIR/containers/auth.json``; ``$XDG_CONFIG_HOME/containers/auth.json``, by
        default ``~/.config/containers/auth.json``.

        Args:
            env: The environment.
            home: The user's home; by default ``$HOME``.

        Source: docker/cli ``cli/config/config.go``; containers-auth.json(5).
        """
        home = home or home_directory(env)
        docker = Path(env.get("DOCKER_CONFIG") or home / ".docker")
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
        paths = [docker / "config.json"]
        if named := env.get("REGISTRY_AUTH_FILE"):
            paths.insert(0, Path(named))
        if runtime := env.get("XDG_RUNTIME_DIR"):
            paths.append(Path(runtime) / "containers" / "auth.json")
        paths.append(config / "containers" / "auth.json")
        return cls(paths, inline=env.get("DOCKER_AUTH_CONFIG", ""), env=env)

    def over(self, transport: Transport) -> Logins:
        """Return the same logins, fetching tokens over *transport*."""
        return Logins(
            self._paths,
            inline=self._inline,
            env=self._env,
            transport=transport,
            helper_timeout_s=self._helper_timeout_s,
        )

    def credentials(self, host: str, repository: str = "") -> Credentials | None:
        """Return the login for a registry, or None when there is none.

        Args:
            host: With optional port; any name of Docker Hub will do.
            repository: Finds logins that are limited to a namespace (``quay.io/team``).

        Raises:
            RegistryAuthError: A login file or a credential helper cannot be used.
        """
        host = canonical_host(host)
        for file in self._files():
            name = file.helpers.get(host, file.store)
            found = self._ask_helper(name, host) if name else None
            if found is not None:
                return found
            login = file.find(host, repository)
            if login is not None and login.credentials.secret:
                return login.credentials
        return None

    def has_any(self, host: str) -> bool:
        """Whether there is a login for a registry, or for a part of it.

        Args:
            host: As for `credentials`.

        Raises:
            RegistryAuthError: A login file or a credential helper cannot be used.
        """
        name = canonical_host(host)
        return any(login.host == name for file in self._files() for login in file.logins) or (
            self.credentials(name) is not None
        )

    def registry_token(self, host: str, repository: str = "") -> str:
        """Return the bearer token that a login file has for a registry, or an empty text.

        Args:
            host: As for `credentials`.
            repository: As for `credentials`.
        """
        found: list[Login | None] = [
            file.find(canonical_host(host), repository) for file in self._files()
        ]
        return next((login.registry_token for login in found if login), "")

    def fetch_token(
        self,
        *,
        host: str,
        realm: str,
        service: str,
        scopes: Sequence[str],
        client_id: str = CLIENT_ID,
        credentials: Credentials | None = None,
    ) -> BearerToken:
        """Get a bearer token for a registry.

        A ``registrytoken`` in a login file is that token; else the token server is asked.

        Args:
            host: The registry, with optional port.
            realm: The token server's URL, as the registry told.
            service: The name the token server knows the registry by; may be empty.
            scopes: Such as ``repository:team/app:pull``.
            client_id: What we call ourselves.
            credentials: The login; None asks anonymously.

        Raises:
            RegistryAuthError: The login is refused, or *realm* may not be told a secret.
            RegistryUnavailableError: The token server did not answer, or not with a token.
        """
        names = (scope.split(":")[1] for scope in scopes if scope.startswith("repository:"))
        if given := self.registry_token(host, next(names, "")):
            return BearerToken(given)
        from buildkit_spec.registry.tokens import fetch_token

        return fetch_token(
            self._over(),
            host=host,
            realm=realm,
            service=service,
            scopes=scopes,
            client_id=client_id,
            credentials=credentials,
        )

    def check_realm(self, host: str, realm: str, scopes: Sequence[str]) -> None:
        """Refuse to send a login to a token server that its registry does not name.

        Args:
            host: The registry, with optional port.
            realm: The token server's URL, as somebody else told.
            scopes: What the token is for.

        Raises:
            RegistryAuthError: It does not name it.
            RegistryError: The registry cannot be asked.
        """
        from buildkit_spec.registry.realms import Realms

        transport = self._over()
        with self._lock:
            if self._realms is None:
                self._realms = Realms(transport)
        self._realms.check(host, realm, [one.split(":")[1] for one in scopes if one.count(":") > 1])

    def _over(self) -> Transport:
        from buildkit_spec.registry.transport import Transport

        with self._lock:
            if self._transport is None:
                self._transport = Transport(env=self._env)
            return self._transport

    def _files(self) -> list[LoginFile]:
        from buildkit_spec.registry.login_file import LoginFile

        # Again after each login: an ECR's lasts twelve hours, and some programs run longer.
        stamps = tuple(map(_stamp, self._paths))
        with self._lock:
            if self._read is None or stamps != self._stamps:
                self._stamps = stamps
                inline = self._inline and LoginFile.parse(self._inline, "$DOCKER_AUTH_CONFIG")
                files = [inline, *(LoginFile.read(path) for path in self._paths)]
                self._read = [file for file in files if file]
            return self._read

    def _ask_helper(self, name: str, host: str) -> Credentials | None:
        from buildkit_spec.registry.helpers import ask_helper

        # One at a time: some key rings do not bear two questions at once (docker/cli issue 1862).
        with self._helper_lock:
            asked_at, found = self._helped.get((name, host), (float("-inf"), None))
            if time.monotonic() - asked_at > _FRESH_S:
                found = ask_helper(
                    name, helper_key(host), env=self._env, timeout_s=self._helper_timeout_s
                )
                self._helped[name, host] = (time.monotonic(), found)
            return found


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; nothing of one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
