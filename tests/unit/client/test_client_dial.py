"""Dialling: what is refused, and the words for connections that cannot be made."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildkit_spec.client import Address
from buildkit_spec.client.dial import dial
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import ConnectionFailedError, DaemonNotFoundError


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("tcp://builder.example:99", "tcp://localhost:1234"),
        ("docker://tcp://builder.example:99", "docker://tcp://localhost:1234"),
    ],
)
def test_plain_tcp_does_not_leave_the_machine(text: str, instead: str) -> None:
    """Plain TCP to another machine is refused before anything is sent, with a way around."""
    with pytest.raises(ConnectionFailedError, match="is plain tcp") as caught:
        dial(Address.parse(text))

    assert caught.value.remedy.startswith("--tlsdir DIR")
    assert f"ssh -NL 1234:localhost:99 builder.example, and {instead};" in caught.value.remedy
    assert "--insecure" in caught.value.remedy


def test_plain_tcp_may_be_allowed() -> None:
    """Allowed by name, plain TCP is tried: here the name does not exist."""
    with pytest.raises(ConnectionFailedError, match="cannot be resolved"):
        dial(Address.parse("tcp://builder.invalid:99"), is_insecure_allowed=True)


def test_docker_alone_is_resolved_when_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker:// that nobody resolved before is the Engine of the environment."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "no-such-context")

    with pytest.raises(DaemonNotFoundError, match="no-such-context"):
        dial(Address.parse("docker://"))


def test_refused_connection_says_what_to_start(tmp_path: Path) -> None:
    """Where nobody listens, the command that starts a daemon is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ConnectionFailedError, match="connection refused") as caught:
        connect(Address("tcp", host="127.0.0.1", port=port), 5)
    assert caught.value.remedy == f"sudo buildkitd --addr tcp://127.0.0.1:{port}"

    with pytest.raises(ConnectionFailedError, match="connection refused") as caught:
        connect(Address("docker", host="127.0.0.1", port=port), 5)
    assert caught.value.remedy == "sudo systemctl start docker"


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Give up root's rights for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("scheme", "group", "remedy"),
    [
        ("docker", "root", "sudo usermod -aG docker $USER"),
        ("unix", "root", "only root may use it: sudo buildkitd --group $(id -gn)"),
        ("unix", "daemon", "sudo usermod -aG daemon $USER"),
    ],
)
def test_forbidden_socket_names_the_group(scheme: str, group: str, remedy: str) -> None:
    """A socket that one may not use says which group may, and how to get into it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home, socket.socket(socket.AF_UNIX) as one:
        path = Path(home) / "b.sock"
        one.bind(str(path))
        one.listen()
        path.chmod(0)
        Path(home).chmod(0o755)
        if os.geteuid() == 0:
            os.chown(path, 0, grp.getgrnam(group).gr_gid)

        with nobody(), pytest.raises(ConnectionFailedError, match="permission denied") as caught:
            connect(Address(scheme, str(path)), 5)

    if os.geteuid() == 0:
        assert caught.value.remedy.startswith(remedy)
