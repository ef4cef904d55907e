"""Registry host names: what is Docker Hub, what is this machine, what a config calls a host."""

from __future__ import annotations

import re

from buildkit_spec.values import DOCKER_HUB

HUB_API = "registry-1.docker.io"
"""The host that serves Docker Hub's images."""

HUB_KEY = "https://index.docker.io/v1/"
"""What configs and credential helpers call Docker Hub (docker/cli ``registry.IndexServer``)."""

_HUB_NAMES = {DOCKER_HUB, HUB_API, "index.docker.io"}
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


def canonical_host(host: str) -> str:
    """Return *host* (with optional port) in lower case, ``docker.io`` for all of Hub's names."""
    host = host.lower()
    return DOCKER_HUB if host in _HUB_NAMES else host


def api_host(registry: str) -> str:
    """Return the host that answers for *registry*: another one for Docker Hub only."""
    return HUB_API if canonical_host(registry) == DOCKER_HUB else registry


def helper_key(host: str) -> str:
    """Return what a credential helper is asked for *host*."""
    return HUB_KEY if canonical_host(host) == DOCKER_HUB else host


def split_port(netloc: str) -> tuple[str, int | None]:
    """Split ``host[:port]``, ``[v6]:port`` or a bare v6; brackets go, an absent port is None."""
    if netloc.startswith("["):
        host, _, rest = netloc[1:].partition("]")
        port = rest.removeprefix(":")
    elif netloc.count(":") > 1:
        host, port = netloc, ""
    else:
        host, _, port = netloc.partition(":")
    return host, int(port) if port.isdigit() else None


def is_loopback(netloc: str) -> bool:
    """Whether ``host[:port]`` is this machine by its name: localhost, 127.0.0.0/8 or ::1."""
    return _LOOPBACK.fullmatch(split_port(netloc)[0].lower()) is not None
