"""The way into the BuildKit of a Docker Engine: an HTTP connection upgraded to gRPC."""

from __future__ import annotations

import socket

from buildkit_spec.client.address import Address
from buildkit_spec.errors import ConnectionFailedError

_REQUEST = (
    b"POST /grpc HTTP/1.1\r\n"
    b"Host: docker\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: h2c\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
_MAX_HEAD_BYTES = 64 * 1024


def open_docker_stream(address: Address, timeout_s: float) -> socket.socket:
    """Return a connection that speaks BuildKit's gRPC API.

    Args:
        address: The Engine's.
        timeout_s: How long connecting and upgrading may take, in seconds.

    Raises:
        ConnectionFailedError: The Engine is not there, or has no BuildKit.

    Source: moby ``api/server/router/grpc``.
    """
    stream = connect(address, timeout_s)
    try:
        stream.sendall(_REQUEST)
        status = _read_head(stream)
    except OSError as error:
        stream.close()
        raise ConnectionFailedError(
            f"{address} closed the connection while it was upgraded",
            address=str(address),
            remedy="is this a Docker Engine? docker version",
        ) from error
    if status != 101:
        stream.close()
        raise ConnectionFailedError(
            f"{address} has no BuildKit: it answered HTTP {status} to the upgrade",
            address=str(address),
            remedy="update Docker Engine to 23 or newer, or set BUILDKIT_HOST to a buildkitd",
        )
    stream.settimeout(None)
    return stream


def connect(address: Address, timeout_s: float) -> socket.socket:
    """Connect to a socket or to host and port.

    Raises:
        ConnectionFailedError: It cannot be done; says why and what to do.
    """
    try:
        if not address.path:
            return socket.create_connection((address.host, address.port), timeout_s)
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(timeout_s)
        stream.connect(address.path)
    except OSError as error:
        raise connection_error(address, error) from error
    return stream


def connection_error(address: Address, error: OSError) -> ConnectionFailedError:
    """Return the error that says why *address* cannot be reached, and what to do."""
    start = "sudo systemctl start docker" if address.scheme == "docker" else "sudo buildkitd"
    if isinstance(error, FileNotFoundError):
        said, remedy = "there is no such socket", f"{start}, or name another daemon with --addr"
    elif isinstance(error, PermissionError):
        group = "docker" if address.scheme == "docker" else "buildkit"
        said, remedy = "permission denied", f"sudo usermod -aG {group} $USER, and log in again"
    elif isinstance(error, ConnectionRefusedError):
        said, remedy = "connection refused: nobody listens there", start
    elif isinstance(error, socket.gaierror):
        said, remedy = "the host name cannot be resolved", "check the spelling of the address"
    elif isinstance(error, TimeoutError):
        said, remedy = "no answer in time", "check that the port is open: is a firewall between?"
    else:
        said, remedy = (error.strerror or str(error)).lower(), "check the address"
    return ConnectionFailedError(
        f"cannot reach {address}: {said}", address=str(address), remedy=remedy
    )


def _read_head(stream: socket.socket) -> int:
    """Read to the end of the HTTP head, no byte more, and return the status; 0 for nonsense."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.recv(1)
        if not byte:
            break
        head += byte
        if len(head) > _MAX_HEAD_BYTES:
            break
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return 0
    return int(words[1])
