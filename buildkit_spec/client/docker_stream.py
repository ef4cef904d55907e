"""The way into the BuildKit of a Docker Engine: an HTTP connection upgraded to gRPC."""

from __future__ import annotations

import socket
from collections.abc import Callable

from buildkit_spec.client.address import Address
from buildkit_spec.client.sockets import no_answer
from buildkit_spec.errors import ConnectionFailedError

_REQUEST = (
    b"POST /grpc HTTP/1.1\r\n"
    b"Host: docker\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: h2c\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
_SWITCHING_PROTOCOLS = 101
_MAX_HEAD_BYTES = 64 * 1024


def open_docker_stream(
    address: Address, timeout_s: float, open_stream: Callable[[], socket.socket]
) -> socket.socket:
    """Return a connection that speaks BuildKit's gRPC API.

    Args:
        address: The Engine's.
        timeout_s: How long upgrading may take, in seconds.
        open_stream: Connects to the Engine.

    Raises:
        ConnectionFailedError: The Engine is not there, or has no BuildKit.
        DeadlineExceededError: It did not answer in time.

    Source: moby ``api/server/router/grpc``.
    """
    stream = open_stream()
    try:
        stream.settimeout(timeout_s)
        stream.sendall(_REQUEST)
        status = _read_status(stream)
    except TimeoutError as error:
        stream.close()
        raise no_answer(address, timeout_s) from error
    except OSError:
        status = 0
    if status != _SWITCHING_PROTOCOLS:
        stream.close()
        raise _refused(address, status)
    stream.settimeout(None)
    return stream


def _refused(address: Address, status: int) -> ConnectionFailedError:
    if status:
        said = f"has no BuildKit: it answered HTTP {status} to the upgrade"
        remedy = "is it a Docker Engine, 20.10 or newer? Else set BUILDKIT_HOST to a buildkitd"
    else:
        direct = f"unix://{address.path}" if address.path else f"tcp://{address.target}"
        said = "is no Docker Engine: it does not speak HTTP"
        remedy = f"if it is a buildkitd, call it {direct}"
    return ConnectionFailedError(f"{address} {said}", address=str(address), remedy=remedy)


def _read_status(stream: socket.socket) -> int:
    """Read to the end of the HTTP head, no byte more, and return the status; 0 for nonsense."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _MAX_HEAD_BYTES:
        byte = stream.recv(1)
        if not byte:
            break
        head += byte
    words = head.split(None, 2)
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit()
    return int(words[1]) if is_http else 0
