"""Where a daemon is: ``unix://``, ``tcp://`` or, for the BuildKit in a Docker Engine, ``docker://``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from buildkit_spec.errors import InvalidAddressError

SCHEMES = ("unix", "tcp", "docker")

_DEFAULT_PORT = {"tcp": 1234, "docker": 2375}
_LOGIN = re.compile(r"[^/@]*@")


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's address, parsed once.

    Attributes:
        scheme: ``unix``, ``tcp`` or ``docker``.
        path: Of the socket; empty for a host and port.
        host: Name or address without brackets; empty for a socket.
        port: 0 for a socket.

    Source: ``client/client.go``, ``client/connhelper``.
    """

    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address.

        ``docker://`` goes on with the Engine's own address: ``docker:///var/run/docker.sock``,
        ``docker://unix:///…``, ``docker://tcp://host:2375``; alone it is the Engine that a docker
        client here would use.

        Raises:
            InvalidAddressError: The scheme is unknown, or a part is missing.
        """
        text = text.strip()
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise _invalid(text, f"must begin with {known}")
        if scheme != "docker":
            return cls._located(scheme, scheme, rest, text)
        if not rest:
            return cls(scheme)
        if "://" not in rest:
            rest = f"unix://{rest}" if rest.startswith("/") else f"tcp://{rest}"
        inner, _, rest = rest.partition("://")
        if inner not in {"unix", "tcp"}:
            raise _invalid(text, "docker:// takes a unix:// or tcp:// address")
        return cls._located(scheme, inner, rest, text)

    @classmethod
    def _located(cls, scheme: str, kind: str, rest: str, text: str) -> Address:
        if kind == "unix":
            if not rest.startswith("/"):
                raise _invalid(text, "a socket's path must be absolute: unix:///path")
            return cls(scheme, path=rest)
        try:
            parts = urlsplit(f"//{rest}")
            port = _DEFAULT_PORT[scheme] if parts.port is None else parts.port
        except ValueError as error:
            raise _invalid(text, "must be host:port, with a port up to 65535") from error
        if not parts.hostname or parts.netloc != rest.rstrip("/") or "@" in rest:
            raise _invalid(text, "must be host:port")
        return cls(scheme, host=parts.hostname, port=port)

    @property
    def is_open(self) -> bool:
        """Whether it still leaves open which Engine is meant: ``docker://`` alone."""
        return not self.path and not self.host

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine on the way there."""
        if not self.host or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def target(self) -> str:
        """Host and port as a client dials them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        if not self.host:
            return f"{self.scheme}://{self.path}"
        inner = "tcp://" if self.scheme == "docker" else ""
        return f"{self.scheme}://{inner}{self.target}"


def _invalid(text: str, rule: str) -> InvalidAddressError:
    return InvalidAddressError(_LOGIN.sub("***@", text), rule)
