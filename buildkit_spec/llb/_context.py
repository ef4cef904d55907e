"""The settings of a build step: what the next command of a state runs with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb._paths import join
from buildkit_spec.values import Platform


class Network(Enum):
    """The network a command sees; the value is that of ``pb.NetMode``.

    Attributes:
        SANDBOX: One of its own, with a way out.
        HOST: The daemon's; needs the entitlement ``network.host``.
        NONE: Loopback only.
    """

    SANDBOX = 0
    HOST = 1
    NONE = 2


class Security(Enum):
    """What a command may do; the value is that of ``pb.SecurityMode``.

    Attributes:
        SANDBOX: What a container usually may.
        INSECURE: Everything; needs the entitlement ``security.insecure``.
    """

    SANDBOX = 0
    INSECURE = 1


@dataclass(frozen=True, slots=True)
class ExtraHost:
    """A line of the command's ``/etc/hosts``.

    Attributes:
        host: The name.
        ip: IPv4 or IPv6 address; kept in its shortest spelling.

    Raises:
        InvalidVertexError: *ip* is no address, or *host* is empty.
    """

    host: str
    ip: str

    def __post_init__(self) -> None:
        import ipaddress  # only needed here, and most graphs have no extra host

        try:
            address = ipaddress.ip_address(self.ip)
        except ValueError as error:
            raise InvalidVertexError(
                f"extra host {self.host!r} has no IP address: {self.ip!r}"
            ) from error
        if not self.host:
            raise InvalidVertexError(f"extra host for {self.ip} has no name")
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        object.__setattr__(self, "ip", str(mapped or address))


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit of the command.

    Attributes:
        name: Such as ``nofile``, without ``RLIMIT_``, lower case.
        soft: The limit; -1 is none.
        hard: What the command may raise it to; -1 is none.
    """

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Context:
    """All settings; immutable.

    Attributes:
        env: Name and value in the order of setting; a name that is set again moves to the end.
        cwd: Working directory, and what relative paths of file actions are relative to.
        user: Name, id, or ``user:group``; empty is root.
        hostname: Empty leaves it to the daemon.
        cgroup_parent: Empty leaves it to the daemon.
        network: What network the command sees.
        security: What the command may do.
        extra_hosts: Lines added to ``/etc/hosts``.
        ulimits: Resource limits.
        platform: What the command runs on; None stands for that of the marshal call.

    Source: ``client/llb/meta.go``.
    """

    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: str = ""
    hostname: str = ""
    cgroup_parent: str = ""
    network: Network = Network.SANDBOX
    security: Security = Security.SANDBOX
    extra_hosts: tuple[ExtraHost, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    platform: Platform | None = None

    def with_envs(self, env: Mapping[str, str]) -> Context:
        """Return it with *env* set.

        Raises:
            InvalidVertexError: A name is empty or holds ``=``, or a text holds a null character.
        """
        for name, value in env.items():
            if not name or "=" in name:
                raise InvalidVertexError(
                    f"environment variable {name!r} has a bad name (not empty, without '=')"
                )
            if "\0" in name or "\0" in value:
                raise InvalidVertexError(f"environment variable {name!r} holds a null character")
        kept = tuple(pair for pair in self.env if pair[0] not in env)
        return replace(self, env=(*kept, *env.items()))

    def with_platform(self, platform: Platform | None) -> Context:
        """Return it for another platform, in its usual spelling."""
        return replace(self, platform=Platform.parse(str(platform)) if platform else None)

    def with_cwd(self, path: str) -> Context:
        """Return it in another directory; a relative *path* goes on from the one before."""
        return replace(self, cwd=path if path.startswith("/") else join(self.cwd, path))
