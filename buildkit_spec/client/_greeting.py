"""The first call on a connection: is that a BuildKit, and which?"""

from __future__ import annotations

import grpc

from buildkit_spec._pb import control as pb
from buildkit_spec.client._calls import CALL_ERRORS, begin
from buildkit_spec.client._errors import connection_reason
from buildkit_spec.client._failure import Failure, take_apart
from buildkit_spec.client.address import Address
from buildkit_spec.client.records import DaemonInfo
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import ConnectionFailedError, DaemonError, DeadlineExceededError


def greet(
    channel: grpc.Channel, address: Address, timeout_s: float, *, has_tls: bool = False
) -> DaemonInfo:
    """Return what a daemon says of itself.

    Args:
        channel: To the daemon; not used before.
        address: The daemon's, for messages.
        timeout_s: How long it may take, in seconds.
        has_tls: Whether the channel has TLS.

    Raises:
        ConnectionFailedError: What answers there is not BuildKit, or wants another kind of
            connection.
        DeadlineExceededError: Nothing answered in time.
    """
    try:
        info = begin(channel, pb.Control.Info, pb.InfoRequest(), timeout_s=timeout_s).result()
    except CALL_ERRORS as error:
        failure = take_apart(error)
        if failure.code != "UNIMPLEMENTED":
            raise _unwelcome(failure, address, timeout_s, has_tls) from error
    else:
        version = info.buildkitVersion
        return DaemonInfo(version.package, version.version, version.revision)
    try:
        # BuildKit before 0.11 cannot say its version; other gRPC servers cannot do this either.
        begin(
            channel, pb.Control.ListWorkers, pb.ListWorkersRequest(), timeout_s=timeout_s
        ).result()
    except CALL_ERRORS as error:
        raise _unwelcome(take_apart(error), address, timeout_s, has_tls) from error
    return DaemonInfo("", "", "")


def _unwelcome(failure: Failure, address: Address, timeout_s: float, has_tls: bool) -> DaemonError:
    said = failure.message
    if failure.code == "DEADLINE_EXCEEDED":
        return DeadlineExceededError(
            f"{address} did not answer within {timeout_s:g} s",
            timeout_s=timeout_s,
            address=str(address),
            remedy="is it a BuildKit daemon, and is this its port?",
        )
    if "http1" in said:
        reason = "it speaks HTTP/1, not gRPC"
        engine = address.path or f"tcp://{address.target}"
        remedy = f"if it is a Docker Engine, call it docker://{engine}"
    elif failure.code == "UNIMPLEMENTED":
        reason, remedy = "it speaks gRPC, but not BuildKit's API", "check the address"
    elif not has_tls and address.is_tcp and _wants_tls(address, timeout_s):
        reason = "it speaks TLS, and no certificates are given"
        remedy = "--tlsdir DIR, with ca.pem, cert.pem and key.pem"
    else:
        reason = connection_reason(said)
        remedy = "is the daemon still running? Its log says why it stopped"
    return ConnectionFailedError(
        f"there is no BuildKit that we can use at {address}: {reason}",
        address=str(address),
        remedy=remedy,
    )


def _wants_tls(address: Address, timeout_s: float) -> bool:
    from buildkit_spec.client.tls_failure import peer_certificate

    return address.scheme == "tcp" and peer_certificate(address, Tls(), timeout_s) is not None
