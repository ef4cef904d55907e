"""Dialling: what is refused, TLS, and the words for connections that cannot be made."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_daemon import FakeDaemon

from buildkit_spec.client import Address, Client, Tls
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

    assert caught.value.remedy.startswith("ssh -NL 1234:localhost:99 builder.example")
    assert caught.value.remedy.endswith(instead)


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
    assert caught.value.remedy == "sudo buildkitd"

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


def certificates(home: Path, name: str) -> Tls:
    """Make one certificate that is authority, server and client at once."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Tls(home / "cert.pem", home / "cert.pem", home / "key.pem", server_name=name)
    assert made.cert is not None
    assert made.key is not None
    made.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@pytest.fixture(name="secured")
def _secured(tmp_path: Path) -> Iterator[tuple[FakeDaemon, Tls]]:
    """A daemon that wants TLS with client certificates, and certificates for it."""
    tls = certificates(tmp_path, "builder.example")
    assert tls.cert is not None
    assert tls.key is not None
    chain = tls.cert.read_bytes()
    credentials = grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), chain)], chain, require_client_auth=True
    )
    with FakeDaemon("", credentials) as daemon:
        yield daemon, tls


def test_tls_with_client_certificates(secured: tuple[FakeDaemon, Tls]) -> None:
    """A daemon behind mutual TLS is reached with the certificates, under its own name."""
    daemon, tls = secured

    with Client(daemon.address, tls=tls) as client:
        assert client.info().package == "fake"


def test_tls_without_certificates_says_so(secured: tuple[FakeDaemon, Tls]) -> None:
    """Plainly dialled, or without our certificate, a TLS daemon is told apart from a dead one."""
    daemon, tls = secured

    for given in (None, Tls(tls.ca, server_name=tls.server_name)):
        with pytest.raises(ConnectionFailedError) as caught:
            Client(daemon.address, tls=given, connect_timeout_s=5)

        assert "certificates" in caught.value.remedy


def test_tls_checks_the_name(secured: tuple[FakeDaemon, Tls]) -> None:
    """A certificate for another name is refused."""
    daemon, tls = secured

    with pytest.raises(ConnectionFailedError):
        Client(daemon.address, tls=Tls(tls.ca, tls.cert, tls.key), connect_timeout_s=5)


def test_tls_file_that_cannot_be_read_is_named(secured: tuple[FakeDaemon, Tls]) -> None:
    """A certificate file that is not there is named."""
    daemon, tls = secured

    with pytest.raises(ConnectionFailedError, match=r"no\.pem: no such file"):
        Client(daemon.address, tls=Tls(Path("no.pem"), tls.cert, tls.key))
