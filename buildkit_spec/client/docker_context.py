"""The Docker Engine that a docker client on this machine would use.

Source: docker/cli ``cli/command/cli.go`` (the order) and ``cli/context/store`` (the files: a
context lies in a directory named by the sha256 of its name).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildkit_spec.client.address import Address
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import DaemonNotFoundError, InvalidAddressError
from buildkit_spec.values.user import home_directory

DEFAULT_SOCKET = "/var/run/docker.sock"

_REMEDY = "export BUILDKIT_HOST=… with the address of a daemon that can be reached"


@dataclass(frozen=True, slots=True)
class Engine:
    """A daemon, and how it came to be chosen.

    Attributes:
        address: The daemon's.
        why: Why this one, for people.
        tls: Certificates for it; None is plain.
    """

    address: Address
    why: str
    tls: Tls | None = None


def chosen_engine(env: Mapping[str, str]) -> Engine | None:
    """Return the Engine that ``DOCKER_HOST`` or a Docker context names, and which of them did.

    Args:
        env: The environment.

    Returns:
        None when neither is set: then it is the one at `DEFAULT_SOCKET`.

    Raises:
        InvalidAddressError: The address is of a kind that we do not dial.
        DaemonNotFoundError: The context does not exist, or has no address.
    """
    directory = _directory(env)
    host = env.get("DOCKER_HOST")
    if host:
        tls = engine_certificates(env)
        return Engine(_address(host, "DOCKER_HOST"), "DOCKER_HOST is set", tls)
    name = env.get("DOCKER_CONTEXT") or _read(directory / "config.json").get("currentContext")
    if not isinstance(name, str) or name in {"", "default"}:
        return None
    identity = hashlib.sha256(name.encode()).hexdigest()
    host = _host(_read(directory / "contexts" / "meta" / identity / "meta.json"))
    if not host:
        raise DaemonNotFoundError(
            f"the Docker context {name!r} does not exist or has no address",
            is_set=True,
            remedy="docker context use default",
        )
    tls = _certificates(directory / "contexts" / "tls" / identity / "docker")
    address = _address(host, f"Docker context {name!r}")
    return Engine(address, f"the Docker context is {name!r}", tls)


def engine_certificates(env: Mapping[str, str]) -> Tls | None:
    """Return the certificates that ``DOCKER_TLS_VERIFY`` asks for; None when it does not.

    They lie in ``DOCKER_CERT_PATH``, else in docker's own folder.

    Raises:
        TlsFailedError: There are none: who asks for TLS is not to be dialled plainly.
    """
    # As docker does, by whether it is empty: also "0" asks for it.
    if not env.get("DOCKER_TLS_VERIFY"):
        return None
    return Tls.from_directory(Path(env.get("DOCKER_CERT_PATH") or _directory(env)))


def _directory(env: Mapping[str, str]) -> Path:
    return Path(env.get("DOCKER_CONFIG") or home_directory(env) / ".docker")


def _certificates(directory: Path) -> Tls | None:
    """Return what there is of certificates in a directory, by the names that docker gives them."""
    files = [directory / f"{name}.pem" for name in ("ca", "cert", "key")]
    ca, cert, key = (file if file.is_file() else None for file in files)
    return Tls(ca, cert, key) if ca or cert else None


def _address(host: str, where: str) -> Address:
    if not host.startswith(("unix://", "tcp://", "ssh://")):
        raise InvalidAddressError(
            host.partition("://")[0] + "://…",
            f"{where} must be unix://, tcp:// or ssh:// to be used for builds",
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
