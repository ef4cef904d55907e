"""Logins inside URLs: found, left out, hidden."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_LOGIN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<login>[^/\s@'\"]*(?:@[^/\s@'\"]*)*)@"
)
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<login>[^/\s'\"]*)@)?(?P<host>[^/\s@'\"#?]+)"
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


def without_secrets(text: str) -> str:
    """Return *text* with every password and token in its URLs left out, but not an ssh user."""
    return _LOGIN.sub(
        lambda match: match["scheme"] if _is_secret(match["scheme"], match["login"]) else match[0],
        text,
    )


def written_logins(texts: Iterable[str]) -> dict[str, str]:
    """Return the variables that stand for logins in URLs, such as ``${TOKEN}``, by host."""
    found: dict[str, str] = {}
    for text in texts:
        for match in _URL.finditer(text):
            if match["login"] and _VARIABLES.match(match["login"]):
                found.setdefault(_place(match), match["login"])
    return found


def with_written_logins(text: str, logins: Mapping[str, str]) -> str:
    """Return *text* with the logins of `written_logins` in its URLs, and no secret in any."""
    return _URL.sub(lambda match: _written(match, logins), text)


def _written(match: re.Match[str], logins: Mapping[str, str]) -> str:
    login = match["login"] or ""
    if written := logins.get(_place(match)):
        login = written
    elif _is_secret(match["scheme"], login):
        login = ""
    return match["scheme"] + (f"{login}@" if login else "") + match["host"]


def _place(match: re.Match[str]) -> str:
    """Return the protocol and the host of a URL, whatever tool it is for."""
    return match["scheme"].lower().rpartition("+")[2] + match["host"].lower()


def hidden_logins(text: str) -> str:
    """Return *text* with ``***`` in place of the login of every URL in it."""
    return _LOGIN.sub(r"\g<scheme>***@", text)
