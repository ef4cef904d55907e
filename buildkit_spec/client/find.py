"""Which daemon when none is named: the first that answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_context import DEFAULT_SOCKET, Engine, chosen_engine
from buildkit_spec.errors import DaemonNotFoundError

BUILDKITD_SOCKET = "/run/buildkit/buildkitd.sock"

_PROBE_TIMEOUT_S = 2.0


def find_answering(
    env: Mapping[str, str] = os.environ,
    *,
    buildkitd_socket: str = BUILDKITD_SOCKET,
    docker_socket: str = DEFAULT_SOCKET,
) -> Engine:
    """Return a daemon of this machine or its user, and why it is that one.

    In this order: a ``buildkitd`` socket that answers (the machine's, then this user's), the
    Docker Engine (``DOCKER_HOST``, the current Docker context, the usual socket when it answers).

    Args:
        env: The environment.
        buildkitd_socket: Where the machine's ``buildkitd`` listens.
        docker_socket: Where the machine's Docker Engine listens.

    Raises:
        InvalidAddressError: Docker's address is of a kind that we do not dial.
        DaemonNotFoundError: None answers; names three ways out.
    """
    tried = []
    sockets = [buildkitd_socket]
    if env.get("XDG_RUNTIME_DIR"):
        sockets.append(f"{env['XDG_RUNTIME_DIR']}/buildkit/buildkitd.sock")
    for path in sockets:
        tried.append(_Probe(path))
        if tried[-1].is_answered:
            return Engine(Address("unix", path), "a buildkitd answers there")
    engine = chosen_engine(env)
    if engine is not None:
        return engine
    tried.append(_Probe(docker_socket))
    if tried[-1].is_answered:
        return Engine(Address("docker", docker_socket), "a Docker Engine answers there")
    raise _not_found(tried)


class _Probe:
    """One try at a socket.

    Attributes:
        path: The socket.
        reason: Why nothing answered.
        is_answered: Whether something did.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.reason = ""
        self.is_forbidden = False
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(_PROBE_TIMEOUT_S)
            try:
                one.connect(path)
            except OSError as error:
                self.reason = (error.strerror or str(error)).lower()
                self.is_forbidden = isinstance(error, PermissionError)
        self.is_answered = not self.reason


def _not_found(tried: list[_Probe]) -> DaemonNotFoundError:
    places = ", ".join(f"{probe.path} ({probe.reason})" for probe in tried)
    ways = [
        "sudo systemctl start docker            the BuildKit inside Docker Engine",
        "sudo buildkitd                         BuildKit's own daemon",
        "export BUILDKIT_HOST=tcp://HOST:1234   a daemon somewhere else",
    ]
    if tried[-1].is_forbidden:
        ways[0] = "sudo usermod -aG docker $USER          Docker Engine runs: then log in again"
    return DaemonNotFoundError(
        f"no BuildKit daemon is set, and none answers: {places}",
        remedy="one of these:" + "".join(f"\n      {way}" for way in ways),
    )
