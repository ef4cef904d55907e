"""URLs that may hold a login: checked, compared and shown without it."""

from __future__ import annotations

import re

from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import line

_LOGIN = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?P<login>[^/\s@'\"]*(?:@[^/\s@'\"]*)*)@"
)
_VARIABLES = re.compile(r"^(\$\{[A-Z0-9_]+\}|:)*$")


def index_url(value: object) -> str:
    """Return the URL of a package index; it may hold a login.

    Raises:
        Refusal: It is no http or https URL.
    """
    url = line(value)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in {"http", "https"} or not rest or " " in url:
        raise Refusal(f"{without_logins(url)!r} is no index URL", "write https://host/path/simple")
    return url


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
