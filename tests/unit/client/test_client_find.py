"""Which daemon is used: the order, Docker's contexts, and what is said when there is none."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildkit_spec.client import Address, Tls, Wish, find_endpoint
from buildkit_spec.errors import DaemonNotFoundError, InvalidAddressError

Find = Callable[..., tuple[Address, str]]


@pytest.fixture(name="home")
def _home() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        yield Path(home)


@pytest.fixture(name="find")
def _find(home: Path) -> Find:
    """Find a daemon on a machine where everything lies below `home`."""

    def find(explicit: str = "", **env: str) -> tuple[Address, str]:
        found = find_endpoint(
            Wish(explicit),
            {"HOME": str(home), **env},
            folder=home,
            buildkitd_socket=str(home / "buildkitd.sock"),
            docker_socket=str(home / "docker.sock"),
        )
        (address,) = found.addresses
        return address, found.why

    return find


@pytest.fixture(name="listen")
def _listen(home: Path) -> Iterator[Callable[[str], None]]:
    listeners = []

    def listen(name: str) -> None:
        listeners.append(socket.socket(socket.AF_UNIX))
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        listeners[-1].bind(str(home / name))
        listeners[-1].listen()

    yield listen
    for one in listeners:
        one.close()


def write_context(home: Path, name: str, host: str | None) -> None:
    directory = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    directory.mkdir(parents=True)
    endpoint = {} if host is None else {"docker": {"Host": host}}
    (directory / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": endpoint}))


def test_explicit_address_comes_first(find: Find) -> None:
    """What the user said goes before the environment."""
    found, why = find("tcp://one:1", BUILDKIT_HOST="tcp://two:2")

    assert (str(found), why) == ("tcp://one:1", "it was given")


def test_environment_comes_before_what_answers(find: Find, listen: Callable[[str], None]) -> None:
    """BUILDKIT_HOST goes before what answers, unless it is empty."""
    listen("docker.sock")

    found, why = find(BUILDKIT_HOST="tcp://two:2")
    assert (str(found), why) == ("tcp://two:2", "BUILDKIT_HOST is set")

    found, why = find(BUILDKIT_HOST="")
    assert why == "a Docker Engine answers there"


def test_buildkitd_that_answers_comes_before_docker(
    find: Find, home: Path, listen: Callable[[str], None]
) -> None:
    """The machine's buildkitd, then the user's, go before any Docker Engine."""
    listen("docker.sock")
    listen("run/buildkit/buildkitd.sock")
    env = {"XDG_RUNTIME_DIR": str(home / "run"), "DOCKER_HOST": "tcp://engine:1"}
    found, _ = find(**env)
    assert found == Address("unix", str(home / "run/buildkit/buildkitd.sock"))

    listen("buildkitd.sock")
    found, why = find(**env)
    assert found == Address("unix", str(home / "buildkitd.sock"))
    assert why == "a buildkitd answers there"


def test_socket_that_nobody_serves_is_passed_over(
    find: Find, home: Path, listen: Callable[[str], None]
) -> None:
    """A socket file left behind by a dead buildkitd does not hide the Docker Engine."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / "buildkitd.sock"))
    listen("docker.sock")

    found, why = find()

    assert (found, why) == (
        Address("docker", str(home / "docker.sock")),
        "a Docker Engine answers there",
    )


def test_docker_host_names_the_engine(find: Find, listen: Callable[[str], None]) -> None:
    """DOCKER_HOST goes before the context and the usual socket, and is not tried out."""
    listen("docker.sock")

    found, why = find(DOCKER_HOST="tcp://engine:1", DOCKER_CONTEXT="other")

    assert (str(found), why) == ("docker://tcp://engine:1", "DOCKER_HOST is set")


def test_docker_context_names_the_engine(find: Find, home: Path) -> None:
    """The current context's Engine is used; DOCKER_CONTEXT goes before the one in the file."""
    write_context(home, "colima", "unix:///c.sock")
    write_context(home, "lab", "tcp://lab:1")
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": "colima"}))

    found, why = find()
    assert (str(found), why) == ("docker:///c.sock", "the Docker context is 'colima'")

    found, why = find(DOCKER_CONTEXT="lab")
    assert (str(found), why) == ("docker://tcp://lab:1", "the Docker context is 'lab'")


def test_docker_config_may_lie_elsewhere(find: Find, home: Path) -> None:
    """DOCKER_CONFIG names the directory that contexts lie in."""
    write_context(home, "lab", "tcp://lab:1")
    (home / ".docker").rename(home / "elsewhere")

    found, _ = find(DOCKER_CONTEXT="lab", DOCKER_CONFIG=str(home / "elsewhere"))

    assert str(found) == "docker://tcp://lab:1"


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": 7}', '{"currentContext": ""}'])
def test_odd_docker_config_is_as_none(
    find: Find, home: Path, listen: Callable[[str], None], text: str
) -> None:
    """A configuration that names no context leaves the usual socket, as with docker itself."""
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(text)
    listen("docker.sock")

    found, _ = find()

    assert found == Address("docker", str(home / "docker.sock"))


@pytest.mark.parametrize("host", [None, ""])
def test_context_without_address_is_an_error(find: Find, home: Path, host: str | None) -> None:
    """A context that is named must be of use: another daemon is not silently taken."""
    write_context(home, "odd", host)

    for name in ("odd", "absent"):
        with pytest.raises(DaemonNotFoundError, match=repr(name)) as caught:
            find(DOCKER_CONTEXT=name)

        assert caught.value.remedy == "docker context use default"


def test_context_over_ssh_is_understood(find: Find, home: Path) -> None:
    """An Engine behind ssh is used as a docker client uses it."""
    write_context(home, "far", "ssh://ada@far:99")

    found, _ = find(DOCKER_CONTEXT="far")

    assert str(found) == "docker://ssh://ada@far:99"


def test_context_that_cannot_be_dialled_is_an_error(find: Find, home: Path) -> None:
    """An Engine that we cannot dial is told, with the context's name and no login."""
    write_context(home, "far", "fd://ada:s3cret@far")

    with pytest.raises(InvalidAddressError, match="Docker context 'far'") as caught:
        find(DOCKER_CONTEXT="far")

    assert "s3cret" not in str(caught.value)


def test_context_brings_its_certificates(home: Path) -> None:
    """The certificates that a context was made with go along; those that it lacks do not."""
    write_context(home, "lab", "tcp://lab:2376")
    identity = hashlib.sha256(b"lab").hexdigest()
    folder = home / ".docker" / "contexts" / "tls" / identity / "docker"
    env = {"HOME": str(home), "DOCKER_CONTEXT": "lab"}
    assert find_endpoint(None, env, folder=home).tls is None

    folder.mkdir(parents=True)
    (folder / "ca.pem").touch()
    assert find_endpoint(None, env, folder=home).tls == Tls(folder / "ca.pem")

    for name in ("cert", "key"):
        (folder / f"{name}.pem").touch()
    assert find_endpoint(None, env, folder=home).tls == Tls(
        folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    )


def test_docker_tls_verify_brings_dockers_certificates(home: Path) -> None:
    """As with docker, DOCKER_TLS_VERIFY asks for TLS, with the files in DOCKER_CERT_PATH."""
    (home / "certs").mkdir()
    (home / "certs" / "ca.pem").touch()
    env = {"HOME": str(home), "DOCKER_HOST": "tcp://lab:2376", "DOCKER_CERT_PATH": f"{home}/certs"}

    assert find_endpoint(None, env, folder=home).tls is None

    env["DOCKER_TLS_VERIFY"] = "1"
    assert find_endpoint(None, env, folder=home).tls == Tls(home / "certs" / "ca.pem")
    env["BUILDKIT_HOST"] = "docker://"
    assert find_endpoint(None, env, folder=home).tls == Tls(home / "certs" / "ca.pem")


def test_docker_alone_is_the_engine_of_docker(
    find: Find, home: Path, listen: Callable[[str], None]
) -> None:
    """docker:// alone is what a docker client would use, whatever else answers."""
    listen("buildkitd.sock")
    found, why = find("docker://")
    assert (found, why) == (Address("docker", str(home / "docker.sock")), "it was given")

    found, why = find(BUILDKIT_HOST="docker://", DOCKER_HOST="tcp://engine:1")
    assert str(found) == "docker://tcp://engine:1"
    assert why == "BUILDKIT_HOST is set, and DOCKER_HOST is set"


def test_no_daemon_names_three_ways_out(find: Find, home: Path) -> None:
    """Where nothing answers, every place tried is named, and three commands that help."""
    with pytest.raises(DaemonNotFoundError) as caught:
        find()

    error = caught.value
    for place in ("buildkitd.sock", "docker.sock"):
        assert f"{home / place} (no such file or directory)" in error.message
    for command in ("systemctl start docker", "sudo buildkitd", "export BUILDKIT_HOST="):
        assert command in error.remedy


def test_finding_a_daemon_needs_no_grpc() -> None:
    """Addresses are found without gRPC and protobuf, which take long to import."""
    program = """
import sys
import buildkit_spec.client.address
from buildkit_spec.client import find_endpoint, Address, Exporter, Worker, image_exporter
print([name for name in ("grpc", "google.protobuf") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
