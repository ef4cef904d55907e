"""Logins inside URLs: found, left out, hidden."""

from __future__ import annotations

import re

_LOGIN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<login>[^/\s@'\"]*(?:@[^/\s@'\"]*)*)@"
)
_VARIABLES = re.compile(r"^(\$\{[A-Z0-9_]+\}|:)*$")


def has_login(text: str) -> bool:
    """Whether a URL in *text* holds a password or a token.

    A user name alone is a login for http only: ``ssh://git@host`` names no secret. Variables that
    the installer fills in (``${TOKEN}``) are none either.
    """
    return any(_is_secret(match["scheme"], match["login"]) for match in _LOGIN.finditer(text))


def _is_secret(scheme: str, login: str) -> bool:
    is_http = scheme.lower().endswith(("http://", "https://"))
    return bool(login) and not _VARIABLES.match(login) and (is_http or ":" in login)


def without_logins(text: str) -> str:
    """Return *text* with the login of every URL in it left out."""
    return _LOGIN.sub(r"\g<scheme>", text)


def hidden_logins(text: str) -> str:
    """Return *text* with ``***`` in place of the login of every URL in it."""
    return _LOGIN.sub(r"\g<scheme>***@", text)
