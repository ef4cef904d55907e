"""Which daemon: the first address that is set, or that answers."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildkit_spec.client.address import DEFAULT_DOCKER_SOCKET, Address
from buildkit_spec.errors import DaemonNotFoundError, InvalidAddressError

_PROBE_TIMEOUT_S = 2.0


def find_address(
    explicit: str | None = None, env: Mapping[str, str] = os.environ
) -> tuple[Address, str]:
    """Return the daemon's address and why it is that one.

    In this order: *explicit*, ``BUILDKIT_HOST``, a ``buildkitd`` socket that answers, the Docker
    Engine (``DOCKER_HOST``, the current Docker context, the usual socket).

    Args:
        explicit: What the user said, or None.
        env: The environment.

    Raises:
        InvalidAddressError: An address that is set has another form.
        DaemonNotFoundError: None is set and none answers; names three ways out.
    """
    if explicit:
        return Address.parse(explicit), "it was given"
    if env.get("BUILDKIT_HOST"):
        return Address.parse(env["BUILDKIT_HOST"]), "BUILDKIT_HOST is set"
    for path in _buildkitd_sockets(env):
        if _answers(path):
            return Address("unix", path=path), "a buildkitd answers there"
    engine = _docker_endpoint(env)
    if engine is not None:
        return engine
    if _answers(DEFAULT_DOCKER_SOCKET):
        return Address("docker", path=DEFAULT_DOCKER_SOCKET), "a Docker Engine answers there"
    raise DaemonNotFoundError(
        "no BuildKit daemon is set, and none answers at the usual places",
        remedy=(
            "start one or name one:\n"
            "      sudo systemctl start docker          the BuildKit inside Docker Engine\n"
            "      sudo buildkitd                       BuildKit's own daemon\n"
            "      export BUILDKIT_HOST=tcp://HOST:1234 a daemon somewhere else"
        ),
    )


def _buildkitd_sockets(env: Mapping[str, str]) -> Iterator[str]:
    yield "/run/buildkit/buildkitd.sock"
    if env.get("XDG_RUNTIME_DIR"):
        yield f"{env['XDG_RUNTIME_DIR']}/buildkit/buildkitd.sock"


def _docker_endpoint(env: Mapping[str, str]) -> tuple[Address, str] | None:
    """Return the Engine that a docker client would use, when one is set.

    Source: docker/cli ``cli/context/store``: contexts are kept under the sha256 of their name.
    """
    if env.get("DOCKER_HOST"):
        return _docker_address(env["DOCKER_HOST"], "DOCKER_HOST"), "DOCKER_HOST is set"
    directory = Path(env.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = env.get("DOCKER_CONTEXT") or str(_json(directory / "config.json").get("currentContext"))
    if name in {"default", "None", ""}:
        return None
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = _json(directory / "contexts" / "meta" / identity / "meta.json")
    try:
        host = str(meta["Endpoints"]["docker"]["Host"])  # type: ignore[index]
    except (KeyError, TypeError) as error:
        raise DaemonNotFoundError(
            f"the Docker context {name!r} does not exist or has no address",
            remedy="docker context use default",
        ) from error
    return _docker_address(host, f"Docker context {name!r}"), f"the Docker context is {name!r}"


def _docker_address(host: str, where: str) -> Address:
    if not host.startswith(("unix://", "tcp://")):
        raise InvalidAddressError(
            host,
            f"{where} must be unix:// or tcp:// to be used for builds",
            remedy="set BUILDKIT_HOST to the daemon's address",
        )
    return Address.parse(f"docker://{host}")


def _json(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(_PROBE_TIMEOUT_S)
        try:
            one.connect(path)
        except OSError:
            return False
    return True
