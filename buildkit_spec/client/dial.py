"""The one dialling seam: from an address to a gRPC channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_stream import connect, open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.errors import ConnectionFailedError

if TYPE_CHECKING:
    import grpc

MAX_MESSAGE_BYTES = 16 << 20
"""The daemon's limit, each way. Source: ``util/grpcutil``, ``defaults.DefaultMaxRecvMsgSize``."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A daemon answers pings only while calls are under way, and not too many of them.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 30_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Dialed:
    """An open way to a daemon.

    Attributes:
        channel: For calls.
        relay: What stands between, or None.
    """

    channel: grpc.Channel
    relay: Relay | None = None

    def close(self) -> None:
        """Close the channel, and what stands between."""
        self.channel.close()
        if self.relay is not None:
            self.relay.close()


def dial(address: Address, *, timeout_s: float = 10.0, allow_insecure: bool = False) -> Dialed:
    """Return a channel to the daemon at *address*.

    One connection is tried at once, so that a wrong address is told here and clearly.

    Args:
        address: The daemon's.
        timeout_s: How long connecting may take, in seconds.
        allow_insecure: Whether plain ``tcp://`` may leave this machine.

    Raises:
        ConnectionFailedError: It cannot be reached, or only in the clear.
    """
    if address.scheme == "docker":
        open_stream = partial(open_docker_stream, address, timeout_s)
        open_stream().close()
        relay = Relay(open_stream)
        return Dialed(_channel(f"unix:{relay.path}", "localhost"), relay)
    if not address.is_loopback and not allow_insecure:
        raise ConnectionFailedError(
            f"{address} is plain tcp: anybody on the way can read and change what is built",
            address=str(address),
            remedy=f"tunnel it: ssh -L 1234:localhost:{address.port} {address.host},"
            " and use tcp://localhost:1234",
        )
    connect(address, timeout_s).close()
    if address.path:
        return Dialed(_channel(f"unix:{address.path}", "localhost"))
    return Dialed(_channel(address.target, ""))


def _channel(target: str, authority: str) -> grpc.Channel:
    import grpc

    options = [*_OPTIONS]
    if authority:
        # Go's server refuses the socket's path as a host name.
        options.append(("grpc.default_authority", authority))  # type: ignore[arg-type]
    return grpc.insecure_channel(target, options=options)
