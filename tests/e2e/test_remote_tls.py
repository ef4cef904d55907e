"""Builds through `tcp://` with mutual TLS, with certificates of `buildkit-spec certs`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from failing import digest_of, unique
from making import MakeSpec, Pulled
from tls_endpoint import TlsEndpoint, tls_endpoint
from tls_proxy import tls_proxy

from buildkit_spec import BuildkitBuilder
from buildkit_spec.client import Address, Client, Tls
from buildkit_spec.errors import TlsFailedError


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, without what the environment says of daemons."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUILDKIT_")}
    command = [sys.executable, "-m", "buildkit_spec", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**kept, **env})


@pytest.fixture(name="certs", scope="module")
def _certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, made as a user makes them; the server is called by address and name."""
    home = tmp_path_factory.mktemp("tls") / "certs"
    for words in (
        ("init",),
        ("server", "--san", "127.0.0.1", "--san", "builder.internal"),
        ("client", "--name", "ada"),
    ):
        done = run("certs", words[0], "--dir", str(home), *words[1:])
        assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(name="endpoint", scope="module")
def _endpoint(certs: Path, buildkit_host: str) -> Iterator[TlsEndpoint]:
    with tls_endpoint(certs / "server", Address.parse(buildkit_host)) as endpoint:
        yield endpoint


@pytest.fixture(name="address")
def _address(endpoint: TlsEndpoint) -> str:
    return f"tcp://127.0.0.1:{endpoint.port}"


def test_build_over_mutual_tls(
    certs: Path, endpoint: TlsEndpoint, address: str, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Files, logs and the image go through TLS, to a daemon that knows who we are."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "big").write_bytes(os.urandom(3_000_000))
    word = unique()
    wanted = spec(source_root=tmp_path / "code", commands=[f"echo {word}"])
    said: list[bytes] = []

    result = BuildkitBuilder(address, tls=Tls.from_directory(certs / "ada")).build(
        wanted, on_status=lambda update: said.extend(log.data for log in update.logs)
    )

    assert result.was_pushed
    assert digest_of(wanted) == result.digest
    assert word.encode() in b"".join(said)
    assert any(path.stat().st_size == 3_000_000 for path in pulled(result).rootfs.rglob("big"))
    assert set(endpoint.clients) == {"ada"}


def test_certificates_from_flags_environment_and_file(
    certs: Path, address: str, tmp_path: Path
) -> None:
    """A folder or files, as flags, in the environment, or with a name in the user's file."""
    folder = certs / "ada"
    ca, cert, key = (str(folder / f"{name}.pem") for name in ("ca", "cert", "key"))
    flags = ("--tlscacert", ca, "--tlscert", cert, "--tlskey", key)
    env = {"BUILDKIT_TLS_CACERT": ca, "BUILDKIT_TLS_CERT": cert, "BUILDKIT_TLS_KEY": key}
    named = {"XDG_CONFIG_HOME": str(tmp_path)}
    added = run("builders", "add", "lab", address, "--tlsdir", str(folder), **named)
    assert added.returncode == 0, added.stderr

    for done in (
        run("info", "--addr", address, "--tlsdir", str(folder)),
        run("info", "--addr", address, *flags, "--tlsservername", "builder.internal"),
        run("info", "--addr", address, BUILDKIT_TLS_DIR=str(folder)),
        run("info", BUILDKIT_HOST=address, **env),
        run("info", "--builder", "lab", **named),
    ):
        assert done.returncode == 0, done.stderr
        assert f"address:   {address} (" in done.stdout


def test_engine_behind_tls_as_docker_knows_it(certs: Path, buildkit_host: str) -> None:
    """An Engine on a port takes our flags, and the variables that a docker client reads."""
    folder = certs / "ada"
    path = Address.parse(buildkit_host).path
    with tls_proxy(path, Tls.from_directory(certs / "server")) as port:
        address = f"docker://tcp://127.0.0.1:{port}"
        docker = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
        for done in (
            run("info", "--addr", address, "--tlsdir", str(folder)),
            run("info", "--addr", address, **docker),
            run("info", "--addr", "docker://", DOCKER_HOST=address[9:], **docker),
        ):
            assert done.returncode == 0, done.stderr
            assert f"{address} (" in done.stdout

        refused = run("info", "--addr", address, "--tlscacert", str(folder / "ca.pem"))
        assert "wants a client certificate, and none is given" in refused.stderr


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("untrusted", "is signed by CN=buildkit-spec authority, not by CN=other authority"),
        ("certificate refused", "it is signed by CN=other authority (unknown ca)"),
        ("certificate wanted", "wants a client certificate, and none is given"),
        ("other name", "is not for lab, but for builder.internal, 127.0.0.1"),
    ],
)
def test_who_does_not_belong_is_told_why(
    certs: Path,
    endpoint: TlsEndpoint,
    address: str,
    spec: MakeSpec,
    tmp_path: Path,
    reason: str,
    words: str,
) -> None:
    """Nothing is built with another CA, another's or no certificate, or under another name."""
    home = str(tmp_path / "other")
    run("certs", "init", "--dir", home, "--name", "other")
    run("certs", "client", "--dir", home, "--name", "eve")
    mine, other = (Tls.from_directory(path) for path in (certs / "ada", tmp_path / "other" / "eve"))
    given = {
        "untrusted": Tls(other.ca, mine.cert, mine.key),
        "certificate refused": Tls(mine.ca, other.cert, other.key),
        "certificate wanted": Tls(mine.ca),
        "other name": Tls(mine.ca, mine.cert, mine.key, server_name="lab"),
    }
    wanted = spec(commands=[f"echo {unique()}"])

    with pytest.raises(TlsFailedError) as caught:
        BuildkitBuilder(address, tls=given[reason]).build(wanted)

    assert caught.value.reason == reason
    assert words in caught.value.message
    assert digest_of(wanted) is None
    assert "eve" not in endpoint.clients


def test_command_ends_with_3_and_a_remedy(certs: Path, address: str) -> None:
    """On the command line the cause is one line, and what to do the next."""
    done = run("info", "--addr", address, "--tlscacert", str(certs / "ada" / "ca.pem"))

    assert done.returncode == 3
    error, remedy = done.stderr.splitlines()
    assert error == f"error: {address} wants a client certificate, and none is given"
    assert remedy.strip().startswith("→ --tlsdir DIR")


def test_renewed_certificates_are_used_by_the_next_build(
    certs: Path, address: str, spec: MakeSpec
) -> None:
    """A client renews while the daemon runs; what it made before keeps working until it ends."""
    tls = Tls.from_directory(certs / "ada")
    with Client(Address.parse(address), tls=tls) as before:
        assert run("certs", "renew", "--dir", str(certs / "ada"), "--new-key").returncode == 0

        result = BuildkitBuilder(address, tls=tls).build(spec(commands=[f"echo {unique()}"]))

        assert result.was_pushed
        assert before.workers()


def test_plain_tcp_to_a_daemon_with_tls_says_so(address: str) -> None:
    """Who forgets the certificates is told that TLS is spoken there."""
    done = run("info", "--addr", address)

    assert done.returncode == 3
    assert "it speaks TLS, and no certificates are given" in done.stderr
