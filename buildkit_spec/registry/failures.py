"""Failures in the words of the person who has to mend them: connections and HTTP answers."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING

from buildkit_spec.errors import (
    ImageNotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnavailableError,
)
from buildkit_spec.registry.login_commands import login_command
from buildkit_spec.values import Credentials, Digest, Reference

if TYPE_CHECKING:
    from buildkit_spec.registry.transport import Answer

_EXPIRED = 10
_NAME_MISMATCHES = {62, 64}
_PLAIN = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}


def connection_error(
    error: OSError | HTTPException, host: str, *, timeout_s: float
) -> RegistryError:
    """Say why there was no answer from *host*.

    Args:
        error: What the socket, TLS or HTTP layer raised.
        host: With optional port.
        timeout_s: How long was waited, in seconds.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_error(error, host)
    if isinstance(error, ssl.SSLError) and error.reason in _PLAIN:
        return RegistryError(
            f"{host} does not speak TLS",
            remedy=f"if it speaks plain http only: --insecure-registry {host}, or use_http in the "
            "spec's registry_config",
        )
    if isinstance(error, ssl.SSLError):
        return RegistryUnavailableError(
            f"TLS with {host} failed: {_words(error.reason or 'the connection was closed')}",
            remedy=f"openssl s_client -connect {host if ':' in host else host + ':443'}",
        )
    if isinstance(error, TimeoutError):
        return RegistryUnavailableError(
            f"{host} did not answer within {timeout_s:g} s",
            remedy="check the network and the proxy variables, and try again",
        )
    if isinstance(error, socket.gaierror):
        return RegistryUnavailableError(
            f"{host} is not known: {error.strerror}",
            remedy="check the registry's name, the network and the proxy variables",
        )
    if isinstance(error, ConnectionRefusedError):
        return RegistryUnavailableError(
            f"{host} refused the connection: nothing listens there",
            remedy="start the registry, or check its host and port",
        )
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return RegistryUnavailableError(
            f"the proxy does not let us through to {host}: {str(error).partition(': ')[2]}",
            remedy=f"check https_proxy and its login, or name {host} in no_proxy",
        )
    detail = (error.strerror if isinstance(error, OSError) else "") or str(error)
    if isinstance(error, IncompleteRead):
        detail = "it ended too early"
    return RegistryUnavailableError(
        f"{host} gave no whole answer: {_words(detail or type(error).__name__)}",
        remedy="try again; check that this is a registry",
    )


def login_refused(
    host: str, credentials: Credentials | None, *, status: int, reference: str = ""
) -> RegistryAuthError:
    """Say that a registry wants a login, or another one than it got."""
    if credentials is None:
        message = f"{host} wants a login, and there is none for it on this machine"
    else:
        message = f"{host} refuses {_whose(credentials)}"
    return RegistryAuthError(
        message, reference=reference, status=status, remedy=login_command(host)
    )


def answer_error(
    answer: Answer, reference: Reference, credentials: Credentials | None
) -> RegistryError:
    """Say what an answer means that does not tell whether an image is there.

    Args:
        answer: Any but 200 and a sure 404.
        reference: The image asked about.
        credentials: The login that was used, or None.
    """
    host, name, status = reference.registry, str(reference), answer.status
    said = _server_message(answer)
    if status in {401, 403}:
        who = f"{_whose(credentials)} may not" if credentials else "without a login one may not"
        return RegistryAuthError(
            f"{who} see {name}: it is private, or not there{said}",
            reference=name,
            status=status,
            remedy=f"{login_command(host)} (or build with --force, if it was never pushed)",
        )
    if status == 429:
        after = answer.headers.get("retry-after", "")
        when = f"try again in {after} s" if after.isdecimal() else "try again later"
        return RegistryUnavailableError(
            f"{host} takes no more requests from us for now{said}",
            reference=name,
            status=status,
            remedy=when if credentials else f"{when}, or log in: {login_command(host)}",
        )
    if status >= 500:
        return RegistryUnavailableError(
            f"{host} has a fault and answered with status {status}{said}",
            reference=name,
            status=status,
            remedy="try again later, or ask who runs the registry",
        )
    if status == 404:
        return RegistryError(
            f"{host} answered with status 404 for {name}, but not as a registry does",
            reference=name,
            status=status,
            remedy="check the registry's host and port, and the proxy in front of it",
        )
    return RegistryError(
        f"{host} answered with status {status} for {name}{said}",
        reference=name,
        status=status,
        remedy="check the registry's host and port, and the proxy in front of it",
    )


def push_error(
    answer: Answer, reference: Reference, credentials: Credentials | None
) -> RegistryError:
    """Say what an answer means that does not let a push begin.

    Args:
        answer: Any but 202.
        reference: The image that was to be pushed.
        credentials: The login that was used, or None.
    """
    host, status, said = reference.registry, answer.status, _server_message(answer)
    if status in {401, 403}:
        who = f"{_whose(credentials)} may not" if credentials else "without a login one may not"
        return RegistryAuthError(
            f"{who} push to {reference.name}{said}",
            reference=str(reference),
            status=status,
            remedy=f"{login_command(host)}, with an account that may push",
        )
    if status in {404, 405}:
        return RegistryError(
            f"{host} takes no pushes to {reference.repository}{said}",
            reference=str(reference),
            status=status,
            remedy="create the repository there first; a mirror or a cache takes none at all",
        )
    return answer_error(answer, reference, credentials)


def not_found(reference: Reference) -> ImageNotFoundError:
    """Say that an image is surely absent."""
    return ImageNotFoundError(
        f"there is no image {reference} in its registry",
        reference=str(reference),
        status=404,
        remedy="check the name and the tag, or push it first",
    )


def altered(reference: Reference, digest: Digest) -> RegistryError:
    """Say that content does not have the digest it was asked for by."""
    return RegistryError(
        f"{reference.registry} gave other content than {digest} for {reference}",
        reference=str(reference),
        remedy="check the proxy or mirror in front of the registry, and try again",
    )


def _whose(credentials: Credentials) -> str:
    user = credentials.username
    return f"the login of user {user!r}" if user else "the token on this machine"


def _server_message(answer: Answer) -> str:
    """Return the registry's own words in brackets, or nothing.

    Source: OCI distribution spec, *Error Codes*.
    """
    if "json" not in answer.content_type:
        return ""
    import json

    try:
        first = json.loads(answer.body)["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f" ({_words(text)})" if text else ""


def _certificate_error(error: ssl.SSLCertVerificationError, host: str) -> RegistryError:
    if error.verify_code == _EXPIRED:
        why, remedy = "has expired", "renew the registry's certificate, and check this clock"
    elif error.verify_code in _NAME_MISMATCHES:
        why = "is for another name"
        remedy = "use a name that the certificate holds, or make one for this name"
    else:
        why = f"is not trusted ({_words(error.verify_message)})"
        remedy = (
            "set SSL_CERT_FILE to the PEM file of the authority that signed it, or name it as ca "
            "in the spec's registry_config"
        )
    return RegistryError(f"the TLS certificate of {host} {why}", remedy=remedy)


def _words(text: str) -> str:
    """Return one short line that a terminal can show."""
    line = " ".join(text.replace("_", " ").split())
    return "".join(char for char in line if char.isprintable())[:200]
