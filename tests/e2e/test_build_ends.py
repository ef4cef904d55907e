"""How real builds end early: Ctrl-C, time, a lost daemon; and that nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from forwarder import Forwarder
from graphs import AMD64, Listener, building, history_error, is_running, nothing, step

from buildkit_spec import llb
from buildkit_spec.client import Address, BuildOutput, Client, Gateway
from buildkit_spec.client.docker_stream import open_docker_stream
from buildkit_spec.client.relay import Relay
from buildkit_spec.client.sockets import connect
from buildkit_spec.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    SessionError,
    SolveCanceledError,
)
from buildkit_spec.session import FileSync, Session, SharedDir


@pytest.fixture(name="address")
def _address(buildkit_host: str) -> Address:
    return Address.parse(buildkit_host)


@pytest.fixture(name="sleeper")
def _sleeper() -> str:
    """A time to sleep that no other process here has."""
    return f"{600 + uuid.uuid4().int % 10**9 / 10**10:.10f}"


@pytest.fixture(name="short_folder")
def _short_folder() -> Iterator[Path]:
    """For temporary files: a socket's path is short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def eventually(is_true: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_true()


def test_ctrl_c_stops_the_step_on_the_daemon(
    address: Address, base_image: str, sleeper: str
) -> None:
    """Interrupted, the build raises KeyboardInterrupt, and the daemon kills the running step."""

    def interrupt() -> None:
        assert eventually(lambda: is_running(sleeper))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    definition = step(base_image, f"echo begun; exec sleep {sleeper}")
    ref = uuid.uuid4().hex
    with Client(address) as client:
        with pytest.raises(KeyboardInterrupt):
            client.build(building(definition), on_status=Listener(b"begun", interrupt), ref=ref)

        assert eventually(lambda: not is_running(sleeper))
        assert eventually(lambda: "canceled" in history_error(client, ref))
        client.build(nothing)  # and the connection is well


def reading(file: Path, process: str | int = "self") -> int | None:
    """How far a process has read a file; None when it does not have it open."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if link.readlink() == file:
                told = Path(f"/proc/{process}/fdinfo/{link.name}").read_text()
                return int(told.split()[1])
    return None


@pytest.mark.parametrize("way", ["ctrl-c", "close"])
def test_transfer_ends_with_its_build(address: Address, tmp_path: Path, way: str) -> None:
    """Nothing more of a file is read once its build is interrupted, and the daemon has none of it.

    All of it would take half an hour.
    """
    file = tmp_path / "endless"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    ref = uuid.uuid4().hex
    client = Client(address)

    def end() -> None:
        assert eventually(lambda: (reading(file) or 0) > 16 << 20)
        if way == "close":
            client.close()
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def run(gateway: Gateway) -> BuildOutput:
        threading.Thread(target=end).start()
        definition = llb.local("src").marshal(local_unique_id=session.id)
        return BuildOutput({AMD64: gateway.solve(definition, evaluate=True)})

    with client, Session([FileSync({"src": SharedDir(tmp_path)})]) as session:
        # Closed, the session may be the first to notice.
        expected = (SolveCanceledError, SessionError) if way == "close" else (KeyboardInterrupt,)
        with pytest.raises(expected):
            client.build(run, session=session, ref=ref)

        assert eventually(lambda: reading(file) is None)
    with Client(address) as other:
        assert eventually(lambda: "canceled" in history_error(other, ref))


def test_ctrl_c_does_not_wait_for_a_daemon_that_is_gone(address: Address, tmp_path: Path) -> None:
    """Interrupted when nothing comes from the daemon any more, the build ends all the same."""
    opener = partial(open_docker_stream, address, 10, partial(connect, address, 10))
    relay = Relay(opener) if address.scheme == "docker" else None
    interrupted_s = 0.0
    with Forwarder(relay.path if relay else address.path) as forwarder:

        def interrupt() -> None:
            nonlocal interrupted_s
            forwarder.hold()
            interrupted_s = time.monotonic()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        def run(gateway: Gateway) -> BuildOutput:
            threading.Timer(0.2, interrupt).start()
            threading.Event().wait(20)
            return nothing(gateway)

        target = Address("tcp", host="127.0.0.1", port=forwarder.port)
        with Client(target) as client, pytest.raises(KeyboardInterrupt):
            client.build(run)
        took_s = time.monotonic() - interrupted_s
    if relay:
        relay.close()

    assert took_s < 4  # it waits for half a second


def test_ctrl_c_while_files_are_hashed_ends_all_builds(tmp_path: Path) -> None:
    """Of several images at once, each on a thread of its own that no signal reaches."""
    specs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "endless").open("wb") as stream:
            stream.truncate(1 << 40)
        specs.append(tmp_path / f"{name}.yaml")
        specs[-1].write_text(
            f"name: {name}\nbase_image: scratch\nsource_root: {name}\nsource_copy_mode: all\n"
        )
    command = [sys.executable, "-m", "buildkit_spec", "build", *map(str, specs), "--no-push"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            files = [tmp_path / name / "endless" for name in ("one", "two")]
            assert eventually(lambda: any(reading(file, child.pid) for file in files))
            child.send_signal(signal.SIGINT)
            _, told = child.communicate(timeout=60)
        finally:
            child.kill()

    assert child.returncode == 130, told
    assert "interrupted" in told


def test_ctrl_c_while_exporting_ends_the_build(address: Address) -> None:
    """Interrupted between its calls, the build ends as well."""
    with Client(address) as client:

        def run(gateway: Gateway) -> BuildOutput:
            signal.raise_signal(signal.SIGINT)
            return nothing(gateway)

        with pytest.raises(KeyboardInterrupt):
            client.build(run)


def test_build_that_takes_too_long_is_stopped(
    address: Address, base_image: str, sleeper: str
) -> None:
    """After its time a build ends with that as reason, on the daemon too."""
    definition = step(base_image, f"exec sleep {sleeper}")
    with (
        Client(address) as client,
        pytest.raises(DeadlineExceededError, match="not done within 2 s") as caught,
    ):
        client.build(building(definition), timeout_s=2)

    assert caught.value.timeout_s == 2
    assert eventually(lambda: not is_running(sleeper))


def test_closing_the_client_ends_its_builds(
    address: Address, base_image: str, sleeper: str
) -> None:
    """A client closed by another thread ends its builds, on the daemon too."""
    client = Client(address)

    def close() -> None:
        assert eventually(lambda: is_running(sleeper))
        threading.Thread(target=client.close).start()

    definition = step(base_image, f"echo begun; exec sleep {sleeper}")
    with pytest.raises(SolveCanceledError):
        client.build(building(definition), on_status=Listener(b"begun", close))

    assert eventually(lambda: not is_running(sleeper))


def test_lost_daemon_is_a_connection_error(address: Address, base_image: str, sleeper: str) -> None:
    """A connection that breaks in the middle of a step ends the build soon, with the address."""
    opener = partial(open_docker_stream, address, 10, partial(connect, address, 10))
    relay = Relay(opener) if address.scheme == "docker" else None
    path = relay.path if relay else address.path
    definition = step(base_image, f"echo begun; exec sleep {sleeper}")
    with Forwarder(path) as forwarder:
        target = Address("tcp", host="127.0.0.1", port=forwarder.port)
        with (
            Client(target) as client,
            pytest.raises(ConnectionFailedError, match="broke") as caught,
        ):
            client.build(building(definition), on_status=Listener(b"begun", forwarder.cut))
    if relay:
        relay.close()

    assert caught.value.address == str(target)
    assert caught.value.is_temporary
    assert eventually(lambda: not is_running(sleeper))


def test_several_builds_at_once_keep_apart(address: Address, base_image: str) -> None:
    """Builds on one client run at once, each with its own status, result and failure."""
    with Client(address) as client:

        def attempt(number: int) -> tuple[bytes, set[str]]:
            unique = uuid.uuid4().hex
            listener = Listener(b"")
            content: list[bytes] = []

            def run(gateway: Gateway) -> BuildOutput:
                script = f"sleep 0.5; echo {unique} > /out"
                ref = gateway.solve(step(base_image, script, name=f"step {number}"))
                content.append(ref.read_file("/out"))
                return BuildOutput({AMD64: ref})

            client.build(run, on_status=listener)
            assert content == [f"{unique}\n".encode()]
            return content[0], {name for name in listener.names if name.startswith("step")}

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(attempt, range(4)))

    assert [names for _, names in outcomes] == [{f"step {number}"} for number in range(4)]


def test_client_leaves_nothing_behind(
    address: Address, base_image: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a client is closed neither its threads nor its files are there any more."""
    monkeypatch.setattr("tempfile.tempdir", str(short_folder))
    before = set(threading.enumerate())
    with Client(address) as client:
        client.build(building(step(base_image, f"echo {uuid.uuid4()}")), on_status=Listener(b""))

        assert len(list(short_folder.glob("*/relay-*"))) == (address.scheme == "docker")
        assert "buildkit-status" not in {thread.name for thread in threading.enumerate()}

    assert list(short_folder.glob("*/relay-*")) == []
    # gRPC's own thread ends a moment after its channel
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_program_ends_though_its_client_is_open(buildkit_host: str, short_folder: Path) -> None:
    """A program that forgets to close a client, in the middle of a build even, ends."""
    program = """
import sys, threading
from graphs import nothing
from buildkit_spec.client import Address, Client
client = Client(Address.parse(sys.argv[1]))
begun = threading.Event()
def run(gateway):
    begun.set()
    threading.Event().wait()
threading.Thread(target=client.build, args=(run,), daemon=True).start()
begun.wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, buildkit_host],
        env={**os.environ, "TMPDIR": str(short_folder), "PYTHONPATH": str(Path(__file__).parent)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(short_folder.glob("*/relay-*")) == []
