"""`Tool`: the program that carries connections to a daemon in a container, a pod, or behind ssh."""

from __future__ import annotations

import shlex
import shutil
from collections import deque

from buildkit_spec.client._tool_words import explain
from buildkit_spec.client.address import DOCKER_CONTAINER, KUBE_POD, PODMAN_CONTAINER, SSH, Address
from buildkit_spec.client.tool_stream import ToolStream
from buildkit_spec.errors import ConnectionFailedError, DaemonError, DeadlineExceededError

_INSTALL = {
    "docker": "install Docker's command line, or name the daemon another way with --addr",
    "podman": "install podman, or name the daemon another way with --addr",
    "kubectl": "install kubectl, or name the daemon another way with --addr",
    "ssh": "sudo apt-get install openssh-client",
}
_LAST_WORDS_S = 2.0
"""How long a program that let go of its connection may take to say why."""

_REMEMBERED = 3
"""gRPC connects again while we still ask what became of the connection before."""


class Tool:
    """Opens connections to one daemon by running a program for each.

    Args:
        address: The daemon's; `Address.is_by_tool`.
        timeout_s: How long the program may take to connect where it can be told, in seconds.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._command = command(address, timeout_s)
        self._streams: deque[ToolStream] = deque(maxlen=_REMEMBERED)

    def open(self) -> ToolStream:
        """Start the program; whether it reaches the daemon is known when an answer comes.

        Raises:
            ConnectionFailedError: It is not installed, or cannot be started.
        """
        name = self._command[0]
        path = shutil.which(name)
        if path is None:
            raise ConnectionFailedError(
                f"cannot reach {self._address}: there is no {name} on PATH",
                address=str(self._address),
                remedy=_INSTALL[name],
            )
        try:
            stream = ToolStream([path, *self._command[1:]])
        except OSError as error:
            raise ConnectionFailedError(
                f"cannot reach {self._address}: {path} cannot be started:"
                f" {(error.strerror or str(error)).lower()}",
                address=str(self._address),
                remedy=f"{name} --version",
            ) from error
        self._streams.append(stream)
        return stream

    def failure(self, error: DaemonError) -> DaemonError:
        """Return what the program says about a connection that failed, else *error* itself.

        Args:
            error: What was seen of it on our side.
        """
        from buildkit_spec.client._failure import one_line  # gRPC is there when it failed

        is_late = isinstance(error, DeadlineExceededError)
        if self._streams and not is_late:
            self._streams[-1].exit_code(_LAST_WORDS_S)
        for stream in reversed(self._streams):
            code = stream.exit_code(0)
            reason, remedy = explain(
                self._address, self._command, code, stream.output(), is_running=is_late
            )
            reason = one_line(reason)
            if reason and is_late:
                error.message += f": {reason}"
                error.remedy = remedy
                return error
            if reason:
                broke = f"the connection to {self._address} broke"
                head = broke if error.message.startswith(broke) else f"cannot reach {self._address}"
                return ConnectionFailedError(
                    f"{head}: {reason}", address=str(self._address), remedy=remedy
                )
        return error


def command(address: Address, timeout_s: float = 10.0) -> tuple[str, ...]:
    """Return program and arguments that connect their standard input and output to a daemon.

    Args:
        address: The daemon's; `Address.is_by_tool`.
        timeout_s: How long connecting may take where the program can be told, in seconds.

    Source: ``client/connhelper``; docker/cli ``cli/connhelper`` for an Engine over ssh.
    """
    dial = ("buildctl", "dial-stdio")
    if SSH in (address.scheme, address.via):
        return (*_ssh(address, timeout_s), *_far_command(address))
    if address.scheme == DOCKER_CONTAINER:
        context = address.option("context")
        return ("docker", *_flag("context", context), "exec", "-i", address.host, *dial)
    if address.scheme == PODMAN_CONTAINER:
        return ("podman", "exec", "-i", address.host, *dial)
    assert address.scheme == KUBE_POD
    return (
        "kubectl",
        *_flag("context", address.option("context")),
        *_flag("namespace", address.option("namespace")),
        "exec",
        "-i",
        *_flag("container", address.option("container")),
        address.host,
        "--",
        *dial,
    )


def _flag(name: str, value: str) -> tuple[str, ...]:
    return (f"--{name}={value}",) if value else ()


def _ssh(address: Address, timeout_s: float) -> tuple[str, ...]:
    settings = {
        "BatchMode": "yes",  # a question would never be seen, or wait for ever in CI
        "ConnectTimeout": str(max(1, int(timeout_s))),
        "ServerAliveInterval": "30",  # a connection that is dead ends, after three of them
        "ControlMaster": "no",  # one that runs already is used, none is left behind
    }
    words = ["ssh", "-T"]
    for name, value in settings.items():
        words += ["-o", f"{name}={value}"]
    if address.user:
        words += ["-l", address.user]
    if address.port:
        words += ["-p", str(address.port)]
    return (*words, "--", address.host)


def _far_command(address: Address) -> tuple[str, ...]:
    """Return what the login shell of the other machine is given: ssh always runs one."""
    socket_url = (shlex.quote(f"unix://{address.path}"),) if address.path else ()
    if address.via:
        return ("docker", *(("--host", *socket_url) if socket_url else ()), "system", "dial-stdio")
    return ("buildctl", *(("--addr", *socket_url) if socket_url else ()), "dial-stdio")
