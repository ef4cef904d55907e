"""Which daemon: the first address that is set, or that answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_context import DEFAULT_SOCKET, chosen_engine
from buildkit_spec.errors import DaemonNotFoundError

BUILDKITD_SOCKET = "/run/buildkit/buildkitd.sock"

_PROBE_TIMEOUT_S = 2.0


def find_address(
    explicit: str | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    configured: str | None = None,
    buildkitd_socket: str = BUILDKITD_SOCKET,
    docker_socket: str = DEFAULT_SOCKET,
) -> tuple[Address, str]:
    """Return the daemon's address and why it is that one.

    In this order: *explicit*, ``BUILDKIT_HOST``, *configured*, a ``buildkitd`` socket that answers
    (the machine's, then this user's), the Docker Engine (``DOCKER_HOST``, the current Docker
    context, the usual socket when it answers). ``docker://`` alone goes on with the last three.

    Args:
        explicit: What the user said, or None.
        env: The environment.
        configured: What a configuration file says, or None.
        buildkitd_socket: Where the machine's ``buildkitd`` listens.
        docker_socket: Where the machine's Docker Engine listens.

    Raises:
        InvalidAddressError: An address that is set has another form.
        DaemonNotFoundError: None is set and none answers; names three ways out.
    """
    named = (
        (explicit, "it was given"),
        (env.get("BUILDKIT_HOST"), "BUILDKIT_HOST is set"),
        (configured, "the configuration file says so"),
    )
    for text, why in named:
        if text:
            address = Address.parse(text)
            if not address.is_open:
                return address, why
            engine, which = chosen_engine(env) or (Address("docker", docker_socket), "")
            return engine, f"{why}, and {which}" if which else why
    tried = []
    sockets = [buildkitd_socket]
    if env.get("XDG_RUNTIME_DIR"):
        sockets.append(f"{env['XDG_RUNTIME_DIR']}/buildkit/buildkitd.sock")
    for path in sockets:
        tried.append(_Probe(path))
        if tried[-1].is_answered:
            return Address("unix", path), "a buildkitd answers there"
    engine_and_why = chosen_engine(env)
    if engine_and_why is not None:
        return engine_and_why
    tried.append(_Probe(docker_socket))
    if tried[-1].is_answered:
        return Address("docker", docker_socket), "a Docker Engine answers there"
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
