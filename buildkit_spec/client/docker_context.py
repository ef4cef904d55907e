"""The Docker Engine that a docker client on this machine would use.

Source: docker/cli ``cli/command/cli.go`` (the order) and ``cli/context/store`` (the files: a
context lies in a directory named by the sha256 of its name).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildkit_spec.client.address import Address
from buildkit_spec.errors import DaemonNotFoundError, InvalidAddressError
from buildkit_spec.values.user import home_directory

DEFAULT_SOCKET = "/var/run/docker.sock"

_REMEDY = "export BUILDKIT_HOST=… with the address of a daemon that can be reached"


def chosen_engine(env: Mapping[str, str]) -> tuple[Address, str] | None:
    """Return the Engine that ``DOCKER_HOST`` or a Docker context names, and which of them did.

    Args:
        env: The environment.

    Returns:
        None when neither is set: then it is the one at `DEFAULT_SOCKET`.

    Raises:
        InvalidAddressError: The address is of a kind that we do not dial.
        DaemonNotFoundError: The context does not exist, or has no address.
    """
    host = env.get("DOCKER_HOST")
    if host:
        return _address(host, "DOCKER_HOST"), "DOCKER_HOST is set"
    directory = Path(env.get("DOCKER_CONFIG") or home_directory(env) / ".docker")
    name = env.get("DOCKER_CONTEXT") or _read(directory / "config.json").get("currentContext")
    if not isinstance(name, str) or name in {"", "default"}:
        return None
    identity = hashlib.sha256(name.encode()).hexdigest()
    host = _host(_read(directory / "contexts" / "meta" / identity / "meta.json"))
    if not host:
        raise DaemonNotFoundError(
            f"the Docker context {name!r} does not exist or has no address",
            remedy="docker context use default",
        )
    return _address(host, f"Docker context {name!r}"), f"the Docker context is {name!r}"


def _address(host: str, where: str) -> Address:
    if not host.startswith(("unix://", "tcp://")):
        raise InvalidAddressError(
            host.partition("://")[0] + "://…",
            f"{where} must be unix:// or tcp:// to be used for builds",
            remedy=_REMEDY,
        )
    return Address.parse(f"docker://{host}")


def _host(meta: dict[str, Any]) -> str:
    found: object = meta
    for key in ("Endpoints", "docker", "Host"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a docker client, too, goes on without it
    return document if isinstance(document, dict) else {}
