"""Bearer tokens: what a token server gives for a login, or for none."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from buildkit_spec.errors import RegistryAuthError, RegistryUnavailableError
from buildkit_spec.registry.failures import login_refused
from buildkit_spec.registry.transport import Answer, Transport
from buildkit_spec.values import BearerToken, Credentials

_DEFAULT_LIFETIME_S = 60
_MAX_LIFETIME_S = 24 * 3600
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ISSUED = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))"
)
_NO_OAUTH = {401, 404, 405}
"""Answers of token servers without the OAuth endpoint: JFrog 401, Google 404, GHCR 405."""


def fetch_token(
    transport: Transport,
    *,
    host: str,
    realm: str,
    service: str,
    scopes: Sequence[str],
    client_id: str,
    credentials: Credentials | None,
) -> BearerToken:
    """Ask a token server for a token.

    With a secret the OAuth endpoint (POST) is asked first and the older one (GET with Basic)
    where there is no such endpoint; without a secret, GET.

    Args:
        transport: What to ask over.
        host: The registry the token is for.
        realm: The token server's URL; https, or a host that may be spoken to in the clear.
        service: The name the server knows the registry by; may be empty.
        scopes: Such as ``repository:team/app:pull``.
        client_id: What we call ourselves.
        credentials: The login; None asks anonymously.

    Raises:
        RegistryAuthError: The login is refused, or *realm* may not be told a secret.
        RegistryUnavailableError: The server did not answer, or not with a token.

    Source: distribution ``docs/spec/auth/token.md`` and ``oauth.md``; BuildKit
    ``session/auth/authprovider/authprovider.go``.
    """
    _check_realm(transport, host, realm)
    secret = credentials.secret if credentials else ""
    if credentials is None or not secret:
        answer = _get(transport, host, realm, service, scopes, "")
    else:
        user = "" if credentials.identity_token else credentials.username
        answer = _post(transport, host, realm, service, scopes, client_id, user, secret)
        if answer.status in _NO_OAUTH:
            basic = base64.b64encode(f"{user}:{secret}".encode()).decode()
            answer = _get(transport, host, realm, service, scopes, f"Basic {basic}")
    if answer.status != 200:
        raise _refusal(answer, host, realm, credentials)
    return _read(answer, host, realm)


def _check_realm(transport: Transport, host: str, realm: str) -> None:
    try:
        parts = urlsplit(realm)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url:
        raise RegistryAuthError(
            f"{host} names no token server: its realm is not an http or https address",
            remedy="check that this is a registry",
        )
    if parts.scheme == "http" and not transport.allows_http(parts.netloc):
        raise RegistryAuthError(
            f"{host} wants its login sent to {parts.netloc} over plain http",
            remedy=f"give its token server a certificate, or allow {parts.netloc} by name",
        )


def _post(
    transport: Transport,
    host: str,
    realm: str,
    service: str,
    scopes: Sequence[str],
    client_id: str,
    user: str,
    secret: str,
) -> Answer:
    form = {"service": service, "client_id": client_id, "scope": " ".join(scopes)}
    if user:
        form |= {"grant_type": "password", "username": user, "password": secret}
    else:
        form |= {"grant_type": "refresh_token", "refresh_token": secret}
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    return transport.request("POST", realm, headers, body, registry=host)


def _get(
    transport: Transport,
    host: str,
    realm: str,
    service: str,
    scopes: Sequence[str],
    authorization: str,
) -> Answer:
    query = [("service", service)] if service else []
    query += [("scope", scope) for scope in scopes]
    joint = "&" if "?" in realm else "?"
    url = f"{realm}{joint}{urlencode(query)}" if query else realm
    headers = {"Authorization": authorization} if authorization else {}
    return transport.request("GET", url, headers, registry=host)


def _refusal(
    answer: Answer, host: str, realm: str, credentials: Credentials | None
) -> RegistryAuthError | RegistryUnavailableError:
    if answer.status in {400, 401, 403}:
        return login_refused(host, credentials, status=answer.status)
    return RegistryUnavailableError(
        f"the token server {urlsplit(realm).hostname} of {host} answered with status "
        f"{answer.status}",
        status=answer.status,
        remedy="try again later",
    )


def _read(answer: Answer, host: str, realm: str) -> BearerToken:
    fields: Any
    try:
        fields = json.loads(answer.body)
        value = fields.get("access_token") or fields.get("token") or ""
        lifetime_s = float(fields.get("expires_in") or _DEFAULT_LIFETIME_S)
        age_s = _age_s(str(fields.get("issued_at") or ""), answer.headers.get("date", ""))
        left_s = lifetime_s - age_s if 0 <= age_s < lifetime_s else lifetime_s
        lasts_s = int(min(max(left_s, 1), _MAX_LIFETIME_S))
    except (ValueError, AttributeError, TypeError, OverflowError):
        value = ""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise RegistryUnavailableError(
            f"the token server {urlsplit(realm).hostname} of {host} gave no token",
            status=answer.status,
            remedy="check the proxy in front of it, and try again",
        )
    return BearerToken(value, lasts_s)


def _age_s(issued_at: str, answered_at: str) -> int:
    """Return how old a token was when it was given, in seconds, by the server's own clock; or 0.

    Servers may give a token that they have given before; ``expires_in`` counts from its beginning.
    """
    from email.utils import mktime_tz, parsedate_tz

    issued, answered = _unix_time(issued_at), parsedate_tz(answered_at)
    return int(mktime_tz(answered)) - issued if issued and answered else 0


def _unix_time(text: str) -> int:
    """Read an RFC 3339 time with any number of fraction digits; 0 when it is none."""
    match = _ISSUED.fullmatch(text)
    if match is None:
        return 0
    import calendar

    *moment, sign, hours, minutes = match.groups()
    offset_s = int(f"{sign}1") * (int(hours) * 3600 + int(minutes) * 60) if sign else 0
    return calendar.timegm(tuple(int(part) for part in moment)) - offset_s
