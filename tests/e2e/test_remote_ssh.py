"""A daemon behind a real ssh server: builds go through, and what is wrong is told apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from failing import digest_of, unique, wait_until
from making import MakeSpec, Pulled
from ssh_server import SshServer, make_key, running_server

from buildkit_spec import BuildkitBuilder
from buildkit_spec.client import Address, Client
from buildkit_spec.errors import ConnectionFailedError


@pytest.fixture(name="engine_socket", scope="module")
def _engine_socket(buildkit_host: str) -> str:
    return Address.parse(buildkit_host).path


@pytest.fixture(name="running", scope="module")
def _running(engine_socket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running_server(tmp_path_factory.mktemp("ssh"), engine_socket) as server:
        yield server


@pytest.fixture(name="server")
def _server(running: SshServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """The server, with an `ssh` on PATH that knows it; its files are put back afterwards."""
    names = ("user_key", "user_key.pub", "known_hosts")
    before = {name: (running.home / name).read_bytes() for name in names}
    monkeypatch.setenv("PATH", f"{running.home}/near:{os.environ['PATH']}")
    yield running
    for name, data in before.items():
        (running.home / name).write_bytes(data)
    assert not _our_tools(), "no ssh is left"


def _our_tools() -> list[str]:
    done = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return [line for line in done.stdout.splitlines() if "ssh -" in line or "near/ssh" in line]


def test_build_over_ssh(server: SshServer, spec: MakeSpec, pulled: Pulled, tmp_path: Path) -> None:
    """Files go to the daemon, the steps' output comes back, and the image is in the registry."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "big").write_bytes(os.urandom(3_000_000))
    word = unique()
    wanted = spec(source_root=tmp_path / "code", commands=[f"echo {word}"])
    said: list[bytes] = []

    result = BuildkitBuilder(f"ssh://{server.host}").build(
        wanted, on_status=lambda update: said.extend(log.data for log in update.logs)
    )

    assert result.was_pushed
    assert digest_of(wanted) == result.digest
    assert word.encode() in b"".join(said)
    assert any(path.stat().st_size == 3_000_000 for path in pulled(result).rootfs.rglob("big"))


def test_build_in_an_engine_over_ssh(server: SshServer, engine_socket: str, spec: MakeSpec) -> None:
    """An Engine is reached as a docker client reaches it, its HTTP API included."""
    address = f"docker://ssh://{server.host}{engine_socket}"

    result = BuildkitBuilder(address).build(spec(commands=[f"echo {unique()}"]))

    assert result.was_pushed
    with Client(Address.parse(address)) as client:
        assert client.is_docker_engine


def test_socket_may_be_named(server: SshServer, engine_socket: str) -> None:
    """The path of an address is the socket on the other machine."""
    with Client(Address.parse(f"ssh://{server.host}{engine_socket}")) as client:
        assert client.workers()


def test_key_that_is_not_taken_is_told(server: SshServer) -> None:
    """With a key that the server does not know, nothing is asked, and the remedy is ssh-add."""
    make_key(server.home / "user_key")

    error = _failure(f"ssh://{server.host}")

    assert "127.0.0.1 takes none of your keys" in error.message
    assert "Permission denied (publickey)" in error.message
    assert error.remedy.startswith("ssh-add")


def test_host_that_is_not_known_is_told(server: SshServer) -> None:
    """A host key that was never seen is not accepted, and nothing is asked."""
    (server.home / "known_hosts").write_text("")

    error = _failure(f"ssh://{server.host}")

    assert "the host key of 127.0.0.1 is not known here" in error.message
    assert error.remedy.startswith(f"ssh -p {server.port} ada@127.0.0.1 true")


def test_host_with_another_key_is_told(server: SshServer, tmp_path: Path) -> None:
    """A host key that has changed is an error of its own: it may be another machine."""
    other = make_key(tmp_path / "other")
    (server.home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}")

    error = _failure(f"ssh://{server.host}")

    assert "is not the one that is known" in error.message
    assert f"ssh-keygen -R [127.0.0.1]:{server.port}" in error.remedy


def test_socket_that_is_not_there_is_told(server: SshServer) -> None:
    """A socket that does not exist on the other machine is named."""
    error = _failure(f"ssh://{server.host}/run/no such.sock")

    assert "there is no socket /run/no such.sock there" in error.message


def test_host_without_buildctl_is_told(server: SshServer) -> None:
    """A machine without buildctl is told from one that cannot be reached."""
    program = server.home / "far" / "buildctl"
    away = program.rename(program.with_name("away"))
    try:
        error = _failure(f"ssh://{server.host}")
    finally:
        away.rename(program)

    assert "there is no buildctl on PATH there" in error.message


def test_port_without_ssh_server_is_told(server: SshServer) -> None:
    """Where nobody listens, that is said."""
    error = _failure("ssh://ada@127.0.0.1:1")

    assert "connection refused: no ssh server listens there" in error.message


def test_host_that_does_not_exist_is_told(server: SshServer) -> None:
    """A host name that nobody knows, likewise."""
    error = _failure("ssh://ada@builder.invalid")

    assert "the host name cannot be resolved" in error.message


def test_build_whose_ssh_ends_is_one_error(server: SshServer, spec: MakeSpec) -> None:
    """When the session is cut in the middle of a build, the build ends with one clear error."""
    wanted = spec(commands=[f"echo began {unique()}; sleep 100"])
    began = threading.Event()
    caught: list[BaseException] = []

    def build() -> None:
        try:
            BuildkitBuilder(f"ssh://{server.host}").build(
                wanted, on_status=lambda update: began.set() if update.logs else None
            )
        except ConnectionFailedError as error:
            caught.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    wait_until(lambda: began.is_set() or not thread.is_alive(), "the step's first line")
    for pid in _sessions(server):
        os.kill(pid, signal.SIGKILL)
    thread.join(60)

    assert not thread.is_alive()
    assert [str(error).count("broke") for error in caught] == [1]
    assert digest_of(wanted) is None


def test_ctrl_c_ends_the_build_and_its_ssh(
    server: SshServer, registry: str, base_image: str, tmp_path: Path
) -> None:
    """Ctrl-C at the terminal goes to us, who end the build there and then the connection."""
    (tmp_path / "image.yaml").write_text(
        f"name: slow\nregistry: {registry}/e2e-ssh\nbase_image: {base_image}\n"
        f"commands:\n  - echo began {unique()}; sleep 100\n"
    )
    words = ["build", "image.yaml", "--force", "--progress=plain", f"--addr=ssh://{server.host}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "buildkit_spec", *words],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that all that a terminal would signal can be signalled
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "began" in line and "sleep" not in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait(60) == 130, said
    wait_until(lambda: not _sessions(server), "the end of the session")


def _sessions(server: SshServer) -> list[int]:
    done = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    lines = (line.split(None, 1) for line in done.stdout.splitlines())
    far = str(server.home / "far")
    return [int(words[0]) for words in lines if len(words) > 1 and far in words[1]]


def _failure(address: str) -> ConnectionFailedError:
    with pytest.raises(ConnectionFailedError) as caught:
        Client(Address.parse(address))
    return caught.value
