"""A daemon that is absent, dies or is cut off, and builds that are broken off: nothing goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from failing import (
    LongStep,
    ThrowawayEngine,
    begin_cli,
    cli,
    digest_of,
    fails,
    image_kept,
    throwaway_engine,
    write_yaml,
)
from forwarder import Forwarder
from graphs import building
from graphs import step as shell_step
from making import MakeSpec

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.client import Address, BuildOutput, Client, Gateway
from buildkit_spec.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    SolveCanceledError,
    SolveError,
)
from buildkit_spec.llb import Network
from buildkit_spec.session import Session

_SILENCE_S = 12
"""More than twice what a daemon lets pass between two of its questions."""


@pytest.fixture(name="engine")
def _engine() -> Iterator[ThrowawayEngine]:
    with throwaway_engine() as engine:
        yield engine


class BuildInBackground:
    """A build on a thread, and how it ended."""

    def __init__(self, builder: BuildkitBuilder, spec: ImageSpec) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(builder, spec))
        self._thread.start()

    def _run(self, builder: BuildkitBuilder, spec: ImageSpec) -> None:
        try:
            builder.build(spec, force=True)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def wait(self) -> Exception | None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.error


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_daemon_that_ends_ends_the_build(
    engine: ThrowawayEngine, spec: MakeSpec, number: signal.Signals
) -> None:
    """Killed or stopped in the middle of a step: the connection broke, and to where it led."""
    step = LongStep()
    made = spec(commands=[step.command], builder_options={"network": "none"})
    before = set(threading.enumerate())

    with image_kept(made):
        build = BuildInBackground(BuildkitBuilder(engine.address), made)
        step.await_begin()
        engine.kill(number)
        error = build.wait()

    assert type(error) is ConnectionFailedError
    assert error.address == engine.address
    assert error.message.startswith(f"the connection to {engine.address} broke: ")
    assert "is the daemon still running" in error.remedy
    assert set(threading.enumerate()) <= before


def test_daemon_that_comes_back_builds_again(engine: ThrowawayEngine, spec: MakeSpec) -> None:
    """The same builder goes on with a daemon that was killed and started anew."""
    builder = BuildkitBuilder(engine.address)
    step = LongStep()
    options = {"network": "none"}
    build = BuildInBackground(builder, spec(commands=[step.command], builder_options=options))
    step.await_begin()
    engine.kill()
    assert isinstance(build.wait(), ConnectionFailedError)

    engine.start()
    made = spec(commands=["echo again"], builder_options=options)
    result = builder.build(made)

    assert digest_of(made) == result.digest


def test_daemon_that_stops_for_a_while_goes_on_with_the_build(
    engine: ThrowawayEngine, spec: MakeSpec
) -> None:
    """A build that is under way waits; who comes meanwhile is told, and changes nothing."""
    step = LongStep()
    made = spec(commands=[f"{step.command} || true"], builder_options={"network": "none"})
    build = BuildInBackground(BuildkitBuilder(engine.address), made)
    step.await_begin()
    with engine.paused():
        error = fails(BuildkitBuilder(engine.address), spec(name="other"), DeadlineExceededError)
    for process in step.processes:
        os.kill(process, signal.SIGTERM)

    assert build.wait() is None
    assert digest_of(made) is not None
    assert error.address == engine.address


def test_daemon_whose_disk_is_full_says_so(spec: MakeSpec, tmp_path: Path) -> None:
    """The build fails with what to do, and the image that was there stays."""
    (tmp_path / "large").write_bytes(os.urandom(96 << 20))
    with throwaway_engine(disk="64m") as engine:
        made = spec(base_image="scratch", source_root=str(tmp_path))
        error = fails(BuildkitBuilder(engine.address), made, SolveError)

    assert error.message == "the daemon's disk is full"
    assert "prune" in error.remedy


def test_killed_daemon_ends_the_command_line_with_3(
    engine: ThrowawayEngine, spec: MakeSpec, tmp_path: Path
) -> None:
    """The command line says which daemon went away, and exits with 3."""
    step = LongStep()
    made = spec(commands=[step.command], builder_options={"network": "none"})
    file = write_yaml(tmp_path / "i.yaml", made)

    with begin_cli("build", file, "--addr", engine.address, "--progress", "plain") as process:
        step.await_begin()
        engine.kill()
        _, err = process.communicate(timeout=60)

    assert process.returncode == 3
    assert f"the connection to {engine.address} broke" in err
    assert "Traceback" not in err


def test_cut_connection_ends_the_build_here_and_there(buildkit_host: str, spec: MakeSpec) -> None:
    """A cable that is pulled: an error here, and the daemon stops the step."""
    step = LongStep()
    made = spec(commands=[step.command])
    path = Address.parse(buildkit_host).path

    with Forwarder(path) as line, image_kept(made):
        address = f"docker://tcp://127.0.0.1:{line.port}"
        build = BuildInBackground(BuildkitBuilder(address), made)
        step.await_begin()
        line.cut()
        error = build.wait()

    assert type(error) is ConnectionFailedError
    assert error.address == address
    step.await_end()


def test_line_that_swallows_all_ends_the_build(buildkit_host: str, base_image: str) -> None:
    """Nothing is cut, and nothing comes: a daemon that asks nothing any more is not there."""
    step = LongStep()
    path = Address.parse(buildkit_host).path
    before = set(threading.enumerate())

    with Forwarder(path) as line:
        address = f"docker://tcp://127.0.0.1:{line.port}"

        def hold() -> None:
            step.await_begin()
            line.hold()

        holder = threading.Thread(target=hold)
        holder.start()
        with (
            Client(Address.parse(address), silence_s=_SILENCE_S) as client,
            Session([]) as session,
            pytest.raises(ConnectionFailedError, match="has said nothing for 12 s") as caught,
        ):
            client.build(building(shell_step(base_image, step.command)), session=session)
        holder.join()

    assert caught.value.address == address
    assert "does its machine run" in caught.value.remedy
    step.await_end()
    assert set(threading.enumerate()) <= before


def test_daemon_that_stands_still_for_long_ends_the_build(
    engine: ThrowawayEngine, base_image: str
) -> None:
    """A stopped daemon behind a relay is given up, though its socket is open."""
    step = LongStep()
    with Client(Address.parse(engine.address), silence_s=_SILENCE_S) as client:
        paused = contextlib.ExitStack()

        def stop() -> None:
            step.await_begin()
            paused.enter_context(engine.paused())

        stopper = threading.Thread(target=stop)
        stopper.start()
        graph = shell_step(base_image, step.command, network=Network.NONE)
        with (
            Session([]) as session,
            paused,
            pytest.raises(ConnectionFailedError, match="has said nothing for 12 s"),
        ):
            client.build(building(graph), session=session)
        stopper.join()


def test_silent_step_is_no_silent_daemon(buildkit_host: str, base_image: str) -> None:
    """A step that prints nothing for longer than a daemon may be silent goes on to its end."""
    graph = shell_step(base_image, f"sleep {_SILENCE_S + 3}; echo {os.urandom(8).hex()}")
    with (
        Client(Address.parse(buildkit_host), silence_s=_SILENCE_S) as client,
        Session([]) as session,
    ):
        client.build(building(graph), session=session)


def test_absent_daemon_ends_the_command_line_with_3(spec: MakeSpec, tmp_path: Path) -> None:
    """No daemon is set and none is there: three commands that would fix it."""
    file = write_yaml(tmp_path / "i.yaml", spec())
    env = {"BUILDKIT_HOST": "", "DOCKER_HOST": "", "DOCKER_CONTEXT": "", "HOME": str(tmp_path)}
    env |= {"XDG_RUNTIME_DIR": "", "DOCKER_CONFIG": str(tmp_path)}
    # Where this machine has daemons at the usual places, they are out of sight in here.
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$0" "$@"')

    done = cli("build", file, env=env, prefix=hidden)

    assert done.returncode == 3
    for way in ("systemctl start docker", "sudo buildkitd", "export BUILDKIT_HOST="):
        assert way in done.stderr
    assert "/run/buildkit/buildkitd.sock (no such file or directory)" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_address_ends_the_command_line_with_3(spec: MakeSpec, tmp_path: Path) -> None:
    """An address where nothing listens is named, with what to do."""
    file = write_yaml(tmp_path / "i.yaml", spec())

    done = cli("build", file, "--addr", f"unix://{tmp_path}/none.sock")

    assert done.returncode == 3
    assert f"cannot reach unix://{tmp_path}/none.sock: there is no such socket" in done.stderr


def test_interrupt_ends_the_command_line_with_130_and_the_step(
    spec: MakeSpec, tmp_path: Path
) -> None:
    """Ctrl-C: exit code 130, nothing pushed, and the step is gone on the daemon."""
    step = LongStep()
    made = spec(commands=[step.command])
    file = write_yaml(tmp_path / "i.yaml", made)

    with image_kept(made):
        with begin_cli("build", file, "--force", "--progress", "plain") as process:
            step.await_begin()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        step.await_end()

    assert process.returncode == 130
    assert "interrupted: what was not done was stopped" in err
    assert "Traceback" not in err


def test_interrupt_ends_every_build_of_several(spec: MakeSpec, tmp_path: Path) -> None:
    """Ctrl-C with two images on their way: both steps are gone on the daemon."""
    steps = [LongStep(), LongStep()]
    specs = [spec(name=f"i{index}", commands=[s.command]) for index, s in enumerate(steps)]
    files = [write_yaml(tmp_path / f"{made.name}.yaml", made) for made in specs]

    with begin_cli("build", *files, "--progress", "plain") as process:
        for step in steps:
            step.await_begin()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    for step in steps:
        step.await_end()

    assert process.returncode == 130
    assert "interrupted: what was not done was stopped" in err
    assert "Traceback" not in err
    assert [digest_of(made) for made in specs] == [None, None]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_program_ends_the_step(
    spec: MakeSpec, tmp_path: Path, number: signal.Signals
) -> None:
    """However the program ends, the daemon stops what it did for it."""
    step = LongStep()
    file = write_yaml(tmp_path / "i.yaml", spec(commands=[step.command]))
    with tempfile.TemporaryDirectory() as folder:
        with begin_cli("build", file, env={"TMPDIR": folder}) as process:
            step.await_begin()
            assert list(Path(folder).glob("*/relay-*"))
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        left = list(Path(folder).glob("*/relay-*"))

    step.await_end()
    assert "Traceback" not in err
    if number == signal.SIGTERM:
        assert process.returncode == 143
        assert left == []


def test_cancelled_builder_ends_all_its_builds(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """Cancelling from another thread ends every build there and here; later ones are not hit."""
    steps = [LongStep(), LongStep()]
    builds = [
        BuildInBackground(builder, spec(name=f"i{index}", commands=[step.command]))
        for index, step in enumerate(steps)
    ]
    for step in steps:
        step.await_begin()

    builder.cancel()

    assert [type(build.wait()) for build in builds] == [SolveCanceledError] * 2
    for step in steps:
        step.await_end()
    made = spec(commands=["true"])
    assert digest_of(made) is None
    assert digest_of(made) != builder.build(made).digest


def test_error_of_our_own_stops_what_the_daemon_does(buildkit_host: str, base_image: str) -> None:
    """An error between the steps of a build ends the steps that run on the daemon."""
    step = LongStep()
    asked = threading.Event()

    class Ours(Exception):
        pass

    def run(gateway: Gateway) -> BuildOutput:
        def evaluate() -> None:
            asked.set()
            with contextlib.suppress(Exception):
                gateway.solve(shell_step(base_image, step.command), evaluate=True)

        worker = threading.Thread(target=evaluate)
        worker.start()
        step.await_begin()
        raise Ours

    with Client(Address.parse(buildkit_host)) as client, pytest.raises(Ours):
        client.build(run)

    step.await_end()
    assert asked.is_set()
