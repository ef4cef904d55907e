"""What a daemon's text about a registry means, and what to do about it.

The daemon passes on what containerd and Go's HTTP client said; there is no typed error for it.
Source: containerd ``core/remotes/docker``, Go ``net/http``, ``net``.
"""

from __future__ import annotations

import re
from enum import Enum

from buildkit_spec.registry.login_commands import login_command


class Trouble(Enum):
    """What went wrong with a registry."""

    AUTH = re.compile(
        r"unauthorized|forbidden|authoriz|access denied|\bdenied: |authentication required"
        r"|no basic auth"
    )
    MISSING = re.compile(r"not found|no match for platform|manifest unknown|name unknown")
    PLAIN = re.compile(
        r"server gave http response to https client|does not look like a tls handshake"
    )
    UNTRUSTED = re.compile(r"x509|certificate")
    UNREACHABLE = re.compile(
        r"connection refused|no such host|i/o timeout|deadline exceeded|dial tcp|no route to host"
    )
    CUT = re.compile(r"\beof\b|connection reset|broken pipe")
    OVERLOADED = re.compile(r"too ?many ?requests|toomanyrequests|\b50[0-4] ")
    OTHER = re.compile("")


def diagnose(said: str) -> Trouble:
    """Return what a daemon's text about a registry means."""
    text = said.lower()
    return next(trouble for trouble in Trouble if trouble.value.search(text))


def remedy(trouble: Trouble, host: str, *, is_push: bool) -> str:
    """Return what to do.

    Args:
        trouble: What went wrong.
        host: The registry's, or empty.
        is_push: Whether an image was to go there, not to come from there.
    """
    place = host or "the registry"
    login = login_command(host) if host else "docker login"
    return {
        Trouble.AUTH: f"{login}, with an account that may {'push' if is_push else 'pull'}"
        + ("" if is_push else "; private and absent look the same: check the spelling too"),
        Trouble.MISSING: "" if is_push else "check name, tag and platform",
        Trouble.PLAIN: f"{place} speaks plain http: "
        + (
            f"--insecure-registry {host}"
            if is_push
            else f'set [registry."{host}"] http = true in buildkitd.toml,'
            " or insecure-registries in Docker's daemon.json"
        ),
        Trouble.UNTRUSTED: f"give the daemon the CA of {place}:"
        f" /etc/docker/certs.d/{host}/ca.crt, or ca in buildkitd.toml",
        Trouble.UNREACHABLE: f"is {place} up, and can the daemon reach it under this name?",
        Trouble.CUT: f"{place} cut the connection: try again;"
        " its log, or that of a proxy before it, says why",
        Trouble.OVERLOADED: f"{place} is overloaded or limits you: try again later",
        Trouble.OTHER: "",
    }[trouble]
