"""Login files: Docker's `config.json` and podman's `auth.json`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry.hosts import HUB_KEY, canonical_host, helper_key
from buildkit_spec.values import Credentials

_NO_LOGINS = {f"{HUB_KEY}access-token", f"{HUB_KEY}refresh-token"}
"""Where ``docker login`` with a browser keeps what it makes Hub's login of: Docker's account, not
the registry's (docker/cli ``internal/oauth/manager/manager.go``)."""


@dataclass(frozen=True, slots=True)
class Login:
    """One entry of a login file.

    Attributes:
        host: Whom it is for, canonical: ``docker.io``, ``ghcr.io``, ``localhost:5000``.
        namespace: Path below the host that it is limited to; empty for all of it.
        credentials: User and secret.
        registry_token: A bearer token to use as it is; empty when there is none.
        is_main: Whether it stands under the host's own key, which goes before its other spellings.
    """

    host: str
    namespace: str
    credentials: Credentials
    registry_token: str = field(default="", repr=False)
    is_main: bool = True

    def covers(self, host: str, repository: str) -> bool:
        """Whether it is meant for *repository* on *host*."""
        return host == self.host and (
            not self.namespace or f"{repository}/".startswith(f"{self.namespace}/")
        )


@dataclass(frozen=True, slots=True)
class LoginFile:
    """What one file says.

    Attributes:
        logins: Its entries that hold something.
        helpers: Credential helper by canonical host; an empty one is none, whatever the store.
        store: Credential helper for all other hosts; empty when there is none.
    """

    logins: tuple[Login, ...] = ()
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""

    @classmethod
    def read(cls, path: Path) -> LoginFile | None:
        """Read a file; None when there is none.

        Raises:
            RegistryAuthError: It cannot be read or is not what it should be; the message names
                the file and the place, never a value.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise _unreadable(path, str(why)) from error
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, source: str | Path) -> LoginFile:
        """Read the text of a file.

        Args:
            text: JSON.
            source: Where it is from, for messages: a file, or a variable with its dollar sign.

        Raises:
            RegistryAuthError: As for `read`.

        Source: docker/cli ``cli/config/configfile/file.go``, ``cli/config/types/authconfig.go``;
        containers-auth.json(5).
        """
        try:
            data = json.loads(text or "{}")
        except ValueError as error:
            where = (
                f"line {error.lineno} column {error.colno}"
                if isinstance(error, json.JSONDecodeError)
                else "somewhere"
            )
            raise _unreadable(source, f"not JSON at {where}") from None
        data = _mapping(source, "the file", data)
        auths = _mapping(source, "auths", data.get("auths"))
        helpers = _mapping(source, "credHelpers", data.get("credHelpers"))
        store = data.get("credsStore") or ""
        names = [store, *helpers.values()]
        if not all(isinstance(name, str) for name in names):
            raise _unreadable(source, "credsStore and credHelpers must be names")
        logins = (_login(source, key, value) for key, value in auths.items())
        keys = sorted(helpers, key=_is_main)  # the host's own key comes last and stays
        return cls(
            logins=tuple(login for login in logins if login is not None),
            helpers={_split_key(key)[0]: helpers[key] for key in keys if not _split_key(key)[1]},
            store=store,
        )

    def find(self, host: str, repository: str) -> Login | None:
        """Return the entry that fits best: the one with the longest namespace, or None."""
        fitting = [login for login in self.logins if login.covers(host, repository)]
        return max(fitting, key=lambda one: (len(one.namespace), one.is_main), default=None)


def _login(source: str | Path, key: str, value: Any) -> Login | None:
    """Read one entry; None for the empty ones that Docker writes beside a credential helper."""
    entry = _mapping(source, f"auths[{key!r}]", value)
    fields = {
        name: str(entry.get(name) or "")
        for name in ("auth", "username", "password", "identitytoken", "registrytoken")
    }
    username, password = fields["username"], fields["password"]
    if fields["auth"]:
        username, password = _decode(source, key, fields["auth"])
    if fields["identitytoken"]:
        credentials = Credentials(identity_token=fields["identitytoken"])
    else:
        credentials = Credentials(username=username, password=password)
    if key in _NO_LOGINS or not (credentials.secret or fields["registrytoken"]):
        return None
    host, namespace = _split_key(key)
    return Login(host, namespace, credentials, fields["registrytoken"], _is_main(key))


def _decode(source: str | Path, key: str, auth: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(auth, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    username, colon, password = text.partition(":")
    if not colon:
        raise _unreadable(source, f"auths[{key!r}].auth is not base64 of user:password")
    return username, password.strip("\0")


def _split_key(key: str) -> tuple[str, str]:
    """Split a config's key into canonical host and namespace.

    A key with a scheme is a server address, whose path means nothing; one without may be limited
    to a namespace. ``host/v1/`` and ``host/v2`` are old ways to say ``host``.
    """
    _, separator, rest = key.rpartition("://")
    host, _, namespace = rest.partition("/")
    namespace = namespace.strip("/")
    if separator or namespace in {"v1", "v2"}:
        namespace = ""
    return canonical_host(host), namespace


def _is_main(key: str) -> bool:
    """Whether a key is the one that Docker itself writes and looks for first."""
    return key == helper_key(_split_key(key)[0])


def _mapping(source: str | Path, name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unreadable(source, f"{name} is not a JSON object")
    return value


def _unreadable(source: str | Path, why: str) -> RegistryAuthError:
    remedy = "mend the file, or move it away and log in again with docker login"
    if str(source).startswith("$"):
        remedy = f"mend the variable, or unset {source}"
    return RegistryAuthError(
        f"cannot read the registry logins in {source}: {why}", remedy=remedy.replace("$", "")
    )
