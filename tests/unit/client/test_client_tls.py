"""TLS with daemons: certificates made by `certs`, and each thing that can be wrong with them."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc
import pytest
from fake_daemon import FakeDaemon

from buildkit_spec import certs
from buildkit_spec.certs.certificate import CLIENT, SERVER
from buildkit_spec.certs.issue import Authority, load_key, new_authority, new_leaf
from buildkit_spec.client import Address, Client, Tls, Wish, find_endpoint
from buildkit_spec.client.dial import dial
from buildkit_spec.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    TlsFailedError,
    TlsReason,
)

_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_NOW = datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    """An authority with a server, called 127.0.0.1, and a client."""
    home = tmp_path / "certs"
    certs.init(home)
    certs.add_server(home, ["127.0.0.1", "builder.internal"])
    certs.add_client(home)
    return home


@contextlib.contextmanager
def daemon_with(folder: Path) -> Iterator[FakeDaemon]:
    """A daemon with the certificates of a folder, that wants those of clients."""
    ca, cert, key = ((folder / f"{name}.pem").read_bytes() for name in ("ca", "cert", "key"))
    credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    with FakeDaemon("", credentials) as daemon:
        yield daemon


@contextlib.contextmanager
def server_with(
    folder: Path, *, protocol: str = "h2", answer: bytes = _SETTINGS, is_old: bool = False
) -> Iterator[Address]:
    """A TLS server of Python's own: it reads, answers once, and waits for the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([protocol])
    if is_old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as stream:
            if stream.recv(100) and answer:
                stream.sendall(answer)
                stream.recv(100)

    with listening(serve) as port:
        yield Address("tcp", host="127.0.0.1", port=port)


@contextlib.contextmanager
def listening(serve: object) -> Iterator[int]:
    """A port whose connections are served one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, contextlib.suppress(OSError):
                    plain.settimeout(10)
                    serve(plain)  # type: ignore[operator]

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def failure(address: Address, tls: Tls) -> TlsFailedError:
    """The error of dialling; what gRPC would make of it is not waited for."""
    with pytest.raises(TlsFailedError) as caught:
        dial(address, tls=tls, timeout_s=10)
    assert caught.value.address in {"", str(address)}
    assert not caught.value.is_temporary
    return caught.value


def leaf_at(home: Path, name: str, purpose: str, day: datetime, days: int) -> None:
    """Make the certificate in a folder anew, as if today were another day."""
    authority = Authority(
        certs.read_certificates(home / "ca" / "ca.pem")[0],
        load_key((home / "ca" / "ca-key.pem").read_bytes()),
    )
    key = (home / name / "key.pem").read_bytes()
    names = ["127.0.0.1"] if purpose == SERVER else []
    made = new_leaf(authority, name, purpose, names, day, days, key)
    (home / name / "cert.pem").write_bytes(made.cert)


def test_daemon_is_reached_with_certificates_of_certs(home: Path) -> None:
    """gRPC on both sides: what `certs` makes is taken by both."""
    tls = Tls.from_directory(home / "client")
    with daemon_with(home / "server") as daemon, Client(daemon.address, tls=tls) as client:
        assert client.info().package == "fake"


def test_other_authority_is_told_with_both_names(home: Path, tmp_path: Path) -> None:
    """A daemon of another authority is not spoken to; the two are named."""
    certs.init(tmp_path / "other", name="other")
    certs.add_client(tmp_path / "other")
    tls = Tls.from_directory(tmp_path / "other" / "client")

    with daemon_with(home / "server") as daemon:
        error = failure(daemon.address, tls)

    assert error.reason == "untrusted"
    assert "is signed by CN=buildkit-spec authority, not by CN=other authority of" in error.message
    assert error.remedy.endswith(f"buildkit-spec certs show --dir {tmp_path}/other/client")


def test_namesake_of_an_authority_is_told(home: Path, tmp_path: Path) -> None:
    """Two authorities may have one name: then that is said."""
    certs.init(tmp_path / "other")
    certs.add_client(tmp_path / "other")

    with daemon_with(home / "server") as daemon:
        error = failure(daemon.address, Tls.from_directory(tmp_path / "other" / "client"))

    assert error.reason == "untrusted"
    assert "is signed by another CN=buildkit-spec authority than that of" in error.message


def test_what_a_stranger_wrote_into_a_certificate_is_no_terminal_command(
    home: Path, tmp_path: Path
) -> None:
    """Names of a daemon's certificate are shown without control characters."""
    pair = new_authority("evil\x1b[2J\r\nerror: all is well", _NOW, 10)
    (tmp_path / "ca.pem").write_bytes(pair.cert)
    authority = Authority(certs.read_certificates(tmp_path / "ca.pem")[0], load_key(pair.key))
    leaf = new_leaf(authority, "server", SERVER, ["127.0.0.1"], _NOW, 5)
    (tmp_path / "cert.pem").write_bytes(leaf.cert)
    (tmp_path / "key.pem").write_bytes(leaf.key)

    with daemon_with(tmp_path) as daemon:
        error = failure(daemon.address, Tls.from_directory(home / "client"))

    assert "is signed by CN=evil" in error.message
    assert error.message.isprintable()


def test_authority_the_machine_does_not_know_is_told(home: Path) -> None:
    """Without a CA of its own, the machine's authorities are asked."""
    with daemon_with(home / "server") as daemon:
        error = failure(daemon.address, Tls(server_name="builder.internal"))

    assert error.reason == "untrusted"
    assert error.message.endswith("which this machine does not know")
    assert error.remedy.startswith("--tlscacert FILE")


@pytest.mark.parametrize(
    ("day", "reason", "words"),
    [
        (_NOW - timedelta(days=40), "expired", "expired on {until}"),
        (_NOW + timedelta(days=40), "not yet valid", "does not hold before {since}; here it is"),
    ],
)
def test_certificate_out_of_its_time_is_told_with_the_date(
    home: Path, day: datetime, reason: TlsReason, words: str
) -> None:
    """Expired, or not valid yet: when, in the message and as data."""
    leaf_at(home, "server", SERVER, day, days=10)

    with daemon_with(home / "server") as daemon:
        error = failure(daemon.address, Tls.from_directory(home / "client"))

    assert error.reason == reason
    until, since = day + timedelta(days=10), day - timedelta(hours=1)
    assert (error.not_before, error.not_after) == (since, until)
    form = "%Y-%m-%d %H:%M UTC"
    assert words.format(until=until.strftime(form), since=since.strftime(form)) in error.message
    assert ("buildkit-spec certs renew" if reason == "expired" else "date -u") in error.remedy


def test_authority_that_expired_is_told_apart(tmp_path: Path) -> None:
    """When it is the authority that has expired, that is said, with the file that has it."""
    past = _NOW - timedelta(days=50)
    key = new_authority("old authority", past, 10)
    (tmp_path / "ca.pem").write_bytes(key.cert)
    (old,) = certs.read_certificates(tmp_path / "ca.pem")
    # Its leaves do not outlive it, so this one says that it holds for longer than it does.
    lasting = dataclasses.replace(old, not_after=_NOW + timedelta(days=99))
    leaf = new_leaf(Authority(lasting, load_key(key.key)), "server", SERVER, ["127.0.0.1"], _NOW, 9)
    (tmp_path / "cert.pem").write_bytes(leaf.cert)
    (tmp_path / "key.pem").write_bytes(leaf.key)

    with daemon_with(tmp_path) as daemon:
        error = failure(daemon.address, Tls(tmp_path / "ca.pem"))

    assert error.reason == "expired"
    assert f"the authority CN=old authority of {tmp_path}/ca.pem expired on" in error.message
    assert error.not_after == old.not_after
    assert error.remedy.startswith("buildkit-spec certs init")


def test_other_name_is_told_with_the_names_there_are(home: Path) -> None:
    """A certificate for other names lists them, and the flag that takes one of them."""
    tls = Tls.from_directory(home / "client")
    with daemon_with(home / "server") as daemon:
        error = failure(daemon.address, Tls(tls.ca, tls.cert, tls.key, server_name="lab"))

        assert error.reason == "other name"
        assert set(error.names) == {"127.0.0.1", "builder.internal"}
        assert "is not for lab, but for builder.internal, 127.0.0.1" in error.message
        assert error.remedy.startswith("--tlsservername builder.internal, if")
        assert error.remedy.endswith("buildkit-spec certs server --dir DIR --san lab")
        renamed = Tls(tls.ca, tls.cert, tls.key, server_name="builder.internal")
        with Client(daemon.address, tls=renamed) as client:
            assert client.info().package == "fake"


@pytest.mark.parametrize("scheme", ["tcp", "docker"])
@pytest.mark.parametrize("is_old", [False, True])
def test_daemon_that_wants_a_certificate_says_so(home: Path, is_old: bool, scheme: str) -> None:
    """In TLS 1.3 it says so after our handshake, in 1.2 during it: the same is told."""
    with server_with(home / "server", is_old=is_old) as address:
        error = failure(
            Address(scheme, host="127.0.0.1", port=address.port), Tls(home / "ca" / "ca.pem")
        )

    assert error.reason == "certificate wanted"
    assert "wants a client certificate, and none is given" in error.message
    assert "buildkit-spec certs client" in error.remedy


def test_grpc_daemon_that_wants_a_certificate_says_so(home: Path) -> None:
    """Also gRPC's own server, which speaks first."""
    with daemon_with(home / "server") as daemon:
        assert failure(daemon.address, Tls(home / "ca" / "ca.pem")).reason == "certificate wanted"


@pytest.mark.parametrize("is_old", [False, True])
def test_our_certificate_of_another_authority_is_told(
    home: Path, tmp_path: Path, is_old: bool
) -> None:
    """A daemon that does not know who signed our certificate: the file and the signer are named."""
    certs.init(tmp_path / "other", name="other")
    other = Tls.from_directory(certs.add_client(tmp_path / "other"))

    with server_with(home / "server", is_old=is_old) as address:
        error = failure(address, Tls(home / "ca" / "ca.pem", other.cert, other.key))

    assert error.reason == "certificate refused"
    assert error.path == str(other.cert)
    assert "it is signed by CN=other authority (unknown ca)" in error.message
    assert error.remedy == f"buildkit-spec certs show --dir {tmp_path}/other/client"


def test_our_certificate_that_expired_is_told_with_the_date(home: Path) -> None:
    """When the daemon refuses ours, and it has expired, that is why."""
    day = _NOW - timedelta(days=40)
    leaf_at(home, "client", CLIENT, day, days=10)

    with server_with(home / "server") as address:
        error = failure(address, Tls.from_directory(home / "client"))

    assert error.reason == "certificate refused"
    assert error.not_after == day + timedelta(days=10)
    assert f"it expired on {error.not_after:%Y-%m-%d %H:%M} UTC" in error.message
    assert error.remedy == f"buildkit-spec certs renew --dir {home}/client"


def test_certificate_of_a_server_is_no_clients(home: Path) -> None:
    """A server's certificate lets nobody build, and a client's makes nobody a server."""
    certs.add_server(home, ["10.0.0.1"], name="second")
    with server_with(home / "server") as address:
        error = failure(address, Tls.from_directory(home / "second"))
    assert error.reason == "certificate refused"
    assert "it is not for clients, but for server" in error.message

    with server_with(home / "client") as address:
        error = failure(address, Tls.from_directory(home / "client"))
    assert error.reason == "other"
    assert "is not for servers" in error.message


def test_daemon_without_tls_is_told(home: Path) -> None:
    """A daemon that speaks plainly, in any way, is told from one whose certificate is wrong."""
    tls = Tls.from_directory(home / "client")

    def answer_settings(plain: socket.socket) -> None:
        plain.sendall(_SETTINGS)
        plain.recv(1000)

    def answer_http(plain: socket.socket) -> None:
        plain.recv(10_000)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    for serve in (answer_settings, answer_http, lambda _: None):
        with listening(serve) as port:
            error = failure(Address("tcp", host="127.0.0.1", port=port), tls)

        assert error.reason == "no tls"
        assert "does not speak TLS" in error.message


def test_daemon_that_hangs_up_or_is_silent_is_told(home: Path) -> None:
    """After the handshake it says nothing: that is neither TLS's fault nor a success."""
    tls = Tls.from_directory(home / "client")
    with server_with(home / "server", answer=b"") as address:
        assert "hangs up at the first word" in failure(address, tls).message
    with server_with(home / "server", protocol="http/1.1") as address:
        assert "but not HTTP/2" in failure(address, tls).message
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("tcp", host="127.0.0.1", port=listener.getsockname()[1])
        with pytest.raises(DeadlineExceededError, match=r"did not answer within 0\.1 s"):
            dial(address, tls=tls, timeout_s=0.1)
    with pytest.raises(ConnectionFailedError, match="connection refused"):
        dial(address, tls=tls)


def test_daemon_with_tls_that_is_dialled_plainly_says_so(home: Path) -> None:
    """Without certificates, a daemon that speaks TLS is told from a dead one."""
    with (
        daemon_with(home / "server") as daemon,
        pytest.raises(ConnectionFailedError, match="it speaks TLS, and no cert") as caught,
    ):
        Client(daemon.address, connect_timeout_s=5)

    assert caught.value.remedy.startswith("--tlsdir DIR")


def test_files_of_ours_are_checked_before_anything_is_sent(home: Path, tmp_path: Path) -> None:
    """Each thing that can be wrong with them names the file, and what to do."""
    nowhere = Address("tcp", host="127.0.0.1", port=1)
    good = Tls.from_directory(home / "client")
    cert, key = good.cert or Path(), good.key or Path()
    text, locked = tmp_path / "text.pem", tmp_path / "locked.pem"
    text.touch(0o600)
    text.write_text("no")
    words = ["pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:x"]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    locked.chmod(0o600)

    def told(tls: Tls) -> tuple[str, str, str]:
        error = failure(nowhere, tls)
        assert error.reason == "own files"
        return error.message, error.path, error.remedy

    absent = tmp_path / "absent.pem"
    assert told(Tls(absent))[0] == f"cannot read {absent}: no such file or directory"
    assert told(Tls(text))[0] == f"{text} holds no certificate in PEM"
    assert told(Tls(good.ca, text, key))[0] == f"{text} holds no certificate in PEM"
    assert told(Tls(good.ca, cert, text))[0] == f"{text} holds no key in PEM"
    assert told(Tls(good.ca, cert, absent))[1] == str(absent)
    assert told(Tls(good.ca, cert, locked))[0].startswith(f"the key {locked} has a password")
    other = home / "server" / "key.pem"
    message, _, remedy = told(Tls(good.ca, cert, other))
    assert message == f"{other} is not the key of {cert}"
    assert remedy == f"buildkit-spec certs show --dir {cert.parent}"
    key.chmod(0o640)
    message, _, remedy = told(good)
    assert message == f"others may read the key {key}: it is not used"
    assert remedy == f"chmod 600 {key}"


def test_names_of_a_kubernetes_secret_are_taken(home: Path) -> None:
    """A secret of type tls calls its files otherwise; buildctl takes them too."""
    folder = home / "client"
    for name, other in (("ca.pem", "ca.crt"), ("cert.pem", "tls.crt"), ("key.pem", "tls.key")):
        (folder / name).rename(folder / other)

    assert Tls.from_directory(folder) == Tls(
        folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
    )


def test_environment_names_a_folder_or_files(home: Path) -> None:
    """`BUILDKIT_TLS_DIR`, or the files; a server name goes with either, or alone."""
    folder = home / "client"
    env = {"BUILDKIT_TLS_DIR": str(folder), "BUILDKIT_TLS_SERVER_NAME": "lab"}
    whole = Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", "lab")
    assert Tls.from_env(env) == whole
    assert Tls.from_env({}) is None
    assert Tls.from_env({"BUILDKIT_TLS_SERVER_NAME": "lab"}) == Tls(server_name="lab")
    files = {
        "BUILDKIT_TLS_CACERT": str(whole.ca),
        "BUILDKIT_TLS_CERT": str(whole.cert),
        "BUILDKIT_TLS_KEY": str(whole.key),
    }
    assert Tls.from_env({**files, "BUILDKIT_TLS_SERVER_NAME": "lab"}) == whole

    with pytest.raises(TlsFailedError, match="name it, or the files"):
        Tls.from_env({**files, **env})
    with pytest.raises(TlsFailedError, match="belong together"):
        Tls.from_env({"BUILDKIT_TLS_CERT": "x"})
    (folder / "key.pem").unlink()
    with pytest.raises(TlsFailedError, match=r"no key\.pem in"):
        Tls.from_env(env)
    shutil.rmtree(folder)
    with pytest.raises(TlsFailedError, match=r"no ca\.pem and no cert\.pem in"):
        Tls.from_env(env)


def test_what_is_said_last_goes_first(home: Path, tmp_path: Path) -> None:
    """Files of the caller, else of the environment; a server name alone keeps the files."""
    env = {"HOME": str(tmp_path), "BUILDKIT_TLS_DIR": str(home / "client")}

    def found(tls: Tls | None = None, address: str = "tcp://one:1", **more: str) -> Tls | None:
        return find_endpoint(Wish(address, tls=tls), {**env, **more}, folder=tmp_path).tls

    client = Tls.from_directory(home / "client")
    assert found() == client
    assert found(Tls(Path("a"))) == Tls(Path("a"))
    assert found(Tls(server_name="lab")) == Tls(client.ca, client.cert, client.key, "lab")
    docker = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(home / "server")}
    assert found(**docker) == client
    del env["BUILDKIT_TLS_DIR"]
    assert found(address="docker://tcp://one:2376", **docker) == Tls.from_directory(home / "server")
    assert found(**docker) is None
    with pytest.raises(TlsFailedError, match=r"there is no ca\.pem"):
        found(address="docker://tcp://127.0.0.1:2375", **{**docker, "DOCKER_CERT_PATH": "/no"})
