"""Where a daemon is, and which way leads there: ``unix://``, ``tcp://``, ``ssh://`` and more."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from buildkit_spec.errors import InvalidAddressError

SSH = "ssh"
KUBE_POD = "kube-pod"
DOCKER_CONTAINER, PODMAN_CONTAINER = "docker-container", "podman-container"

_OPTIONS = {
    DOCKER_CONTAINER: ("context",),
    PODMAN_CONTAINER: (),
    KUBE_POD: ("namespace", "container", "context"),
}
"""Schemes whose connections a tool carries into a container; what may follow its name."""

TCP_DNS = "tcp+dns"
"""As ``tcp``, to every address that the host's name stands for: a pool."""

SCHEMES = ("unix", "tcp", "docker", TCP_DNS, SSH, *_OPTIONS)

_DEFAULT_PORT = {"tcp": 1234, TCP_DNS: 1234, "docker": 2375}
_RAW = "surrogateescape"
_LOGIN = re.compile(r"[^/@]*@")

# None begins with a dash: a tool would read an option. Sources: moby ``daemon/names/names.go``,
# ``client/connhelper/kubepod`` (which lets a dash through), OpenSSH ``ssh.c:valid_hostname``.
_CONTAINER = (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, ``_``, ``.`` and ``-``")
_KUBE = (r"[a-z0-9][a-z0-9.-]*", "lower-case letters, digits, ``.`` and ``-``")
_ANYTHING = (r"[^\x00-\x20\x7f-\x9f-][^\x00-\x1f\x7f-\x9f]*", "printable characters, no dash first")
_NAMES = {DOCKER_CONTAINER: _CONTAINER, PODMAN_CONTAINER: _CONTAINER, KUBE_POD: _KUBE}
_VALUES = {"namespace": _KUBE, "container": _KUBE, "context": _ANYTHING}
_SSH_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_SSH_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+$\\-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's address, parsed once.

    Attributes:
        scheme: One of `SCHEMES`.
        path: Of the socket, for ``ssh`` on the other machine; empty for a host and port.
        host: Name or address without brackets, or the container's or pod's name; empty for a
            socket.
        port: 0 for a socket, and where the tool knows it.
        user: To log in as over ssh; empty for the one that ssh takes.
        via: ``ssh`` for a Docker Engine that is reached over it; else empty.
        options: What goes with a container or pod, such as ``("namespace", "ci")``.

    Source: ``client/client.go``, ``client/connhelper``.
    """

    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    via: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address.

        ``docker://`` goes on with the Engine's own address: ``docker:///var/run/docker.sock``,
        ``docker://unix:///…``, ``docker://tcp://host:2375``, ``docker://ssh://host``; alone it is
        the Engine that a docker client here would use.

        Raises:
            InvalidAddressError: The scheme is unknown, or a part is missing or of another form.
        """
        text = text.strip()
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise _invalid(text, f"must begin with {known}")
        if scheme == SSH:
            return cls._over_ssh(scheme, "", rest, text)
        if scheme in _OPTIONS:
            return cls._in_container(scheme, rest, text)
        if scheme != "docker":
            return cls._located(scheme, scheme, rest, text)
        if not rest:
            return cls(scheme)
        if "://" not in rest:
            rest = f"unix://{rest}" if rest.startswith("/") else f"tcp://{rest}"
        inner, _, rest = rest.partition("://")
        if inner == SSH:
            return cls._over_ssh(scheme, SSH, rest, text)
        if inner not in {"unix", "tcp"}:
            raise _invalid(text, "docker:// takes a unix://, tcp:// or ssh:// address")
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

    @classmethod
    def _over_ssh(cls, scheme: str, via: str, rest: str, text: str) -> Address:
        place, slash, path = rest.partition("/")
        path = unquote(path, errors=_RAW).rstrip("/")
        login, at, target = place.rpartition("@")
        user = unquote(login)
        if ":" in login:
            raise _invalid(text, "takes no password", remedy="ssh-copy-id, and the address alone")
        try:
            port = urlsplit(f"//{target}").port or 0
        except ValueError as error:
            raise _invalid(text, "must be ssh://user@host:port/path") from error
        host = target.rpartition(":")[0] if port else target.removesuffix(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise _invalid(text, "an IPv6 address stands in brackets: ssh://[::1]:22")
        if not _SSH_HOST.fullmatch(host) or (at and not _SSH_USER.fullmatch(user)):
            raise _invalid(text, "must be ssh://user@host:port/path")
        if any(mark in rest for mark in "?#") or not _is_printable(path):
            raise _invalid(text, "nothing but a socket's path may follow the host")
        return cls(scheme, f"/{path}" if slash and path else "", host, port, user, via)

    @classmethod
    def _in_container(cls, scheme: str, rest: str, text: str) -> Address:
        name, _, query = rest.partition("?")
        pattern, form = _NAMES[scheme]
        if not re.fullmatch(pattern, name := name.rstrip("/")):
            kind = "pod" if scheme == KUBE_POD else "container"
            raise _invalid(text, f"must be {scheme}://NAME, the {kind}'s name of {form}")
        options = dict(parse_qsl(query, keep_blank_values=True))
        for key, value in options.items():
            if key not in _OPTIONS[scheme]:
                known = ", ".join(_OPTIONS[scheme]) or "nothing"
                raise _invalid(text, f"{key!r} means nothing here; {known} may follow the name")
            pattern, form = _VALUES[key]
            if not re.fullmatch(pattern, value):
                raise _invalid(text, f"{key} must be of {form}")
        return cls(scheme, host=name, options=tuple(sorted(options.items())))

    @property
    def is_open(self) -> bool:
        """Whether it still leaves open which Engine is meant: ``docker://`` alone."""
        return not self.path and not self.host

    @property
    def is_tcp(self) -> bool:
        """Whether we dial a host and port ourselves."""
        return bool(self.host) and not self.is_by_tool

    @property
    def is_by_tool(self) -> bool:
        """Whether another program carries the connection, such as ``ssh`` or ``kubectl``."""
        return SSH in (self.scheme, self.via) or self.scheme in _OPTIONS

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
        return f"{host}:{self.port}" if self.port else host

    def option(self, name: str) -> str:
        """Return what goes with a container or pod; empty when it is not said."""
        return dict(self.options).get(name, "")

    def __str__(self) -> str:
        if SSH in (self.scheme, self.via):
            inner = "ssh://" if self.via else ""
            user = f"{quote(self.user)}@" if self.user else ""
            return f"{self.scheme}://{inner}{user}{self.target}{quote(self.path, errors=_RAW)}"
        if self.scheme in _OPTIONS:
            query = f"?{urlencode(self.options)}" if self.options else ""
            return f"{self.scheme}://{self.host}{query}"
        if not self.host:
            return f"{self.scheme}://{self.path}"
        inner = "tcp://" if self.scheme == "docker" else ""
        return f"{self.scheme}://{inner}{self.target}"


def _is_printable(text: str) -> bool:
    return not text or re.fullmatch(_ANYTHING[0], f"/{text}") is not None


def _invalid(text: str, rule: str, *, remedy: str = "") -> InvalidAddressError:
    return InvalidAddressError(_LOGIN.sub("***@", text), rule, remedy=remedy)
