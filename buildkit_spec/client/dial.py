"""The one dialling seam: from an address to a gRPC channel."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from buildkit_spec.client.address import Address
from buildkit_spec.client.docker_context import DEFAULT_SOCKET, Engine, chosen_engine
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.client.sockets import connect
from buildkit_spec.client.tls import Tls
from buildkit_spec.client.tool import Tool
from buildkit_spec.errors import ConnectionFailedError, DaemonError, DeadlineExceededError

if TYPE_CHECKING:
    import grpc

MAX_MESSAGE_BYTES = 16 << 20
"""The daemon's limit, each way. Source: ``defaults.DefaultMaxRecvMsgSize``."""

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Errors come as metadata, with the failed op in them: a long script passes gRPC's 16 KiB.
    ("grpc.max_metadata_size", MAX_MESSAGE_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    # Go's server hangs up on who pings more than every 5 minutes (keepalive.EnforcementPolicy).
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 30_000),
)


@dataclass(frozen=True, slots=True)
class Dialed:
    """An open way to a daemon.

    Attributes:
        address: The daemon's; of ``docker://`` alone, which Engine it is.
        channel: For calls.
        open_stream: Connects once more, to a Docker Engine for its HTTP API.
        relay: What stands between, or None.
        tool: What carries the connections, or None.
    """

    address: Address
    channel: grpc.Channel
    open_stream: Callable[[], socket.socket]
    relay: Relay | None = None
    tool: Tool | None = None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let errors of a connection that broke say what the tool says that carried it.

        Raises:
            DaemonError: What was raised within, or why that came to be.
        """
        try:
            yield
        except (ConnectionFailedError, DeadlineExceededError) as error:
            if self.tool is None:
                raise
            raise self.tool.failure(error) from error

    def close(self) -> None:
        """Close the channel, and what stands between."""
        self.channel.close()
        if self.relay is not None:
            self.relay.close()


def dial(
    address: Address,
    *,
    timeout_s: float = 10.0,
    tls: Tls | None = None,
    is_insecure_allowed: bool = False,
) -> Dialed:
    """Return a channel to the daemon at *address*.

    One connection is made at once, so that a wrong address is told here and clearly.

    Args:
        address: The daemon's.
        timeout_s: How long connecting may take, in seconds.
        tls: For ``tcp://``, and ``docker://tcp://``; None is plain.
        is_insecure_allowed: Whether plain TCP may leave this machine.

    Raises:
        ConnectionFailedError: It cannot be reached, or only in the clear.
        TlsFailedError: There is no TLS with it, with these certificates; says why.
        DeadlineExceededError: It did not answer in time.
    """
    if address.is_open:
        engine = chosen_engine(os.environ) or Engine(Address("docker", DEFAULT_SOCKET), "")
        address, tls = engine.address, tls or engine.tls
    if address.is_tcp and tls is None and not address.is_loopback and not is_insecure_allowed:
        raise _refuse_plain(address)
    tool = Tool(address, timeout_s) if address.is_by_tool else None
    open_stream = _opener(address, tool, tls, timeout_s)
    if tls is not None and address.is_tcp:
        from buildkit_spec.client.tls_check import check_tls

        check_tls(address, tls, timeout_s)
    relay = None
    if address.scheme == "docker":
        upgrade = partial(open_docker_stream, address, timeout_s, open_stream)
        relay = _relay(upgrade, tool)
    elif tool is not None:
        relay = _relay(open_stream, tool)
    elif tls is None or not address.is_tcp:
        open_stream().close()
    socket_path = address.path if relay is None else relay.path
    if socket_path:
        # Go's server refuses the socket's path as a host name.
        channel = _channel(f"unix:{socket_path}", authority="localhost")
    else:
        channel = _channel(address.target, tls=tls)
    return Dialed(address, channel, open_stream, relay, tool)


def _opener(
    address: Address, tool: Tool | None, tls: Tls | None, timeout_s: float
) -> Callable[[], socket.socket]:
    if tool is not None:
        return tool.open
    if tls is None or address.scheme != "docker" or not address.is_tcp:
        return partial(connect, address, timeout_s)
    from buildkit_spec.client.tls_stream import open_tls_stream

    return partial(open_tls_stream, address, tls, timeout_s)


def _relay(open_stream: Callable[[], socket.socket], tool: Tool | None) -> Relay:
    try:
        return Relay(open_stream)
    except DaemonError as error:
        if tool is None:
            raise
        raise tool.failure(error) from error


def _refuse_plain(address: Address) -> ConnectionFailedError:
    local = f"{address.scheme}://{'tcp://' if address.scheme == 'docker' else ''}localhost:1234"
    return ConnectionFailedError(
        f"{address} is plain tcp: anybody on the way can read and change what is built",
        address=str(address),
        remedy=f"--tlsdir DIR, with certificates (buildkit-spec certs init); or ssh -NL"
        f" 1234:localhost:{address.port} {address.host}, and {local}; or --insecure, at your risk",
    )


def _channel(
    target: str,
    *,
    authority: str = "",
    tls: Tls | None = None,
) -> grpc.Channel:
    import grpc

    options = _OPTIONS
    if authority:
        options = (*options, ("grpc.default_authority", authority))
    if tls is None:
        return grpc.insecure_channel(target, options=options)
    if tls.server_name:
        options = (*options, ("grpc.ssl_target_name_override", tls.server_name))
    from buildkit_spec.client.tls_context import authorities, read_own

    key, cert = (read_own(file) if file else None for file in (tls.key, tls.cert))
    credentials = grpc.ssl_channel_credentials(authorities(tls), key, cert)
    return grpc.secure_channel(target, credentials, options=options)
