"""Plain connections, and the words for why one cannot be made."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from buildkit_spec.client.address import Address
from buildkit_spec.errors import ConnectionFailedError, DeadlineExceededError

_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""First asked after 30 s of silence, and given up after 30 s more."""


def connect(address: Address, timeout_s: float) -> socket.socket:
    """Connect to a socket, or to host and port.

    Args:
        address: Where to.
        timeout_s: How long it may take, in seconds; it stays the socket's timeout.

    Raises:
        ConnectionFailedError: It cannot be done; says why and what to do.
        DeadlineExceededError: Nobody answered in time.
    """
    try:
        if address.path:
            stream = socket.socket(socket.AF_UNIX)
            try:
                stream.settimeout(timeout_s)
                stream.connect(address.path)
            except OSError:
                stream.close()
                raise
        else:
            stream = socket.create_connection((address.host, address.port), timeout_s)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(stream)
    except TimeoutError as error:
        raise no_answer(address, timeout_s) from error
    except OSError as error:
        said, remedy = _explain(address, error)
        raise ConnectionFailedError(
            f"cannot reach {address}: {said}", address=str(address), remedy=remedy
        ) from error
    return stream


def _keep_alive(stream: socket.socket) -> None:
    """Let the system notice a machine that vanished; a relay's connection is idle for long."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if option := getattr(socket, name, None):  # not every system has each
            stream.setsockopt(socket.IPPROTO_TCP, option, value)


def no_answer(address: Address, timeout_s: float) -> DeadlineExceededError:
    """Return the error of a daemon that says nothing."""
    return DeadlineExceededError(
        f"{address} did not answer within {timeout_s:g} s",
        timeout_s=timeout_s,
        address=str(address),
        remedy="is it the right port, and does no firewall stand between?"
        if address.is_tcp
        else "is the daemon overloaded, or still starting?",
    )


def _explain(address: Address, error: OSError) -> tuple[str, str]:
    start = "sudo systemctl start docker" if address.scheme == "docker" else "sudo buildkitd"
    if address.scheme == "tcp":
        start += f" --addr {address}"
    if not address.is_loopback:
        start = f"is {address.port} the daemon's port, and does it run on {address.host}?"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket", f"{start}, or name another daemon with --addr"
    if isinstance(error, PermissionError):
        return "permission denied", _group_remedy(address)
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nobody listens there", start
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved", "check the spelling of the address"
    return (error.strerror or str(error)).lower(), "check the address"


def _group_remedy(address: Address) -> str:
    group = ""
    with contextlib.suppress(OSError, KeyError, NotImplementedError):
        group = Path(address.path).group()
    if group and group != "root":
        return f"sudo usermod -aG {group} $USER, and log in again"
    if address.scheme == "docker":
        return "sudo usermod -aG docker $USER, and log in again"
    return "only root may use it: sudo buildkitd --group $(id -gn)"
