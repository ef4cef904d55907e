"""Who is in a pool: the addresses that are set, and those that a name of theirs stands for."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit_spec.client.address import TCP_DNS, Address
from buildkit_spec.client.endpoint import Endpoint
from buildkit_spec.client.pool import Member
from buildkit_spec.errors import ConnectionFailedError

if TYPE_CHECKING:
    from buildkit_spec.client.client import Client

Resolve = Callable[[str], Sequence[tuple[str, str]]]
"""From a host name to its addresses, each with a name that stays, or the address again."""


def is_pool(endpoint: Endpoint) -> bool:
    """Whether there may be several builders behind an endpoint."""
    return len(endpoint.addresses) > 1 or any(one.scheme == TCP_DNS for one in endpoint.addresses)


def pool_members(endpoint: Endpoint, resolve: Resolve | None = None) -> tuple[Member, ...]:
    """Return the builders of an endpoint as they are now, each name once.

    A host of ``tcp+dns://`` is looked up: a headless service of Kubernetes has an address for each
    pod that is ready. A pod's address changes when it is restarted and its volume does not; so what
    counts for the order is the name that the address has, which a StatefulSet's pods keep. That
    name comes from DNS and is used for nothing else: the pod's certificate must be for the host
    that was set.

    Args:
        endpoint: What is set.
        resolve: Looks a host name up.

    Raises:
        ConnectionFailedError: A name stands for nothing now, and no other address is set.
    """
    found: dict[str, Member] = {}
    for address in endpoint.addresses:
        if address.scheme == TCP_DNS:
            members = _looked_up(address, resolve or look_up)
        else:
            members = iter([Member(str(address), address)])
        for one in members:
            found.setdefault(one.name, replace(one, platforms=endpoint.platforms_of(address)))
    if not found:
        hosts = ", ".join(one.host for one in endpoint.addresses)
        raise ConnectionFailedError(
            f"{hosts} stands for no address: no builder is ready there",
            address=str(endpoint),
            remedy="kubectl get endpoints, for the headless service",
        )
    return tuple(found.values())


def connect_to(member: Member, endpoint: Endpoint) -> Client:
    """Return a connection to one builder of a pool.

    Raises:
        ConnectionFailedError: It cannot be reached.
        DeadlineExceededError: It did not answer in time.
    """
    tls = endpoint.tls
    if tls is not None and member.server_name and not tls.server_name:
        tls = replace(tls, server_name=member.server_name)
    return replace(endpoint, addresses=(member.address,), tls=tls).connect()


def _looked_up(address: Address, resolve: Resolve) -> Iterator[Member]:
    for host, name in resolve(address.host):
        one = Address("tcp", host=host, port=address.port)
        yield Member(f"{name}:{address.port}", one, server_name=address.host)


def look_up(host: str) -> list[tuple[str, str]]:
    """Return all addresses of a host, each with the name that DNS has for it; none if unknown."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    addresses = dict.fromkeys(str(answer[4][0]) for answer in answers)
    return [(one, _name_of(one)) for one in addresses]


def _name_of(address: str) -> str:
    with contextlib.suppress(OSError):
        name = socket.gethostbyaddr(address)[0]
        # A name that does not lead back here may be that of several, or of anybody.
        found = {answer[4][0] for answer in socket.getaddrinfo(name, None)}
        if found == {address}:
            return name
    return address
