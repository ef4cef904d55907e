"""What the tests of failures share: what must not change, what must be gone, the command line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from registries import RunningRegistry, push_image

from buildkit_spec import BuildkitBuilder, BuildkitSpecError, ImageSpec
from buildkit_spec.registry import Logins, Registry
from buildkit_spec.values import Digest, Reference, StatusCallback

_E = TypeVar("_E", bound=BuildkitSpecError)

_LONG_S = 60.0


def wait_until(is_true: Callable[[], object], what: str) -> None:
    """Poll until something is so; it is a mistake when it takes a minute."""
    deadline = time.monotonic() + _LONG_S
    while not is_true():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def unique() -> str:
    return uuid.uuid4().hex


# --- what must stay as it was ------------------------------------------------------------------


def digest_of(spec: ImageSpec | Reference) -> Digest | None:
    """What a registry without login has under the spec's name."""
    reference = spec if isinstance(spec, Reference) else Reference.parse(spec.image_name())
    with Registry(Logins({})) as registry:
        return registry.digest(reference)


@contextlib.contextmanager
def image_kept(spec: ImageSpec) -> Iterator[None]:
    """Put an image under the spec's name, and see that it is still that one afterwards."""
    reference = Reference.parse(spec.image_name())
    host = RunningRegistry(reference.registry, Path())
    before = push_image(host, reference.repository, str(reference.tag), labels={"v": unique()})
    yield
    assert str(digest_of(reference)) == before


def fails(
    builder: BuildkitBuilder,
    spec: ImageSpec,
    kind: type[_E],
    on_status: StatusCallback | None = None,
) -> _E:
    """Build a spec anew, which must fail in this way and leave image and process as they were."""
    threads = set(threading.enumerate())
    with image_kept(spec), pytest.raises(kind) as caught:
        builder.build(spec, force=True, on_status=on_status)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    assert set(threading.enumerate()) <= threads
    return caught.value


# --- steps on the daemon -----------------------------------------------------------------------


class LongStep:
    """A command that runs until it is killed, and can be found in the process list."""

    def __init__(self) -> None:
        # A number of seconds that no other sleep on this machine has.
        self._marker = f"{100_000 + uuid.uuid4().int % 900_000}.{uuid.uuid4().int % 10**9:09}"
        self.command = f"echo begun; sleep {self._marker}"

    @property
    def processes(self) -> set[int]:
        needle, found = self._marker.encode(), set()
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with contextlib.suppress(OSError):
                    line = (process / "cmdline").read_bytes()
                    if line.startswith(b"sleep\0") and needle in line:
                        found.add(int(process.name))
        return found

    @property
    def is_running(self) -> bool:
        return bool(self.processes)

    def await_begin(self) -> None:
        wait_until(lambda: self.is_running, "the step begins")

    def await_end(self) -> None:
        wait_until(lambda: not self.is_running, "the step is gone")


# --- the command line --------------------------------------------------------------------------


def write_yaml(path: Path, spec: ImageSpec) -> Path:
    path.write_text(spec.to_yaml(), encoding="utf-8")
    return path


@contextlib.contextmanager
def begin_cli(
    *args: str | Path, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Start ``buildkit-spec``; it is killed if it still runs in the end."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "buildkit_spec", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def cli(
    *args: str | Path, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run ``buildkit-spec`` to its end."""
    with begin_cli(*args, env=env, prefix=prefix) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


# --- logins ------------------------------------------------------------------------------------


def docker_config(home: Path, logins: Mapping[str, str]) -> dict[str, str]:
    """Write a Docker config with ``Basic …`` logins by host; return the environment to use it."""
    home.mkdir(parents=True, exist_ok=True)
    auths = {host: {"auth": login.removeprefix("Basic ")} for host, login in logins.items()}
    (home / "config.json").write_text(json.dumps({"auths": auths}))
    return {**os.environ, "DOCKER_CONFIG": str(home)}


# --- a daemon that may be killed ---------------------------------------------------------------


class ThrowawayEngine:
    """A Docker Engine of the test's own, from the programs of ``scripts/engine``.

    Its steps have no network of their own: use ``network: none`` or ``host``.
    """

    def __init__(self) -> None:
        engine = Path(os.environ["ENGINE_DIR"])
        # Beside the engine: the same file system, and a short path for its sockets.
        self.home = engine.parent / f"t-{unique()[:6]}"
        self.home.mkdir()
        self._programs = engine / "programs"
        self.socket = self.home / "docker.sock"
        config = json.loads((engine / "daemon.json").read_text())
        for key in ("mtu", "dns"):
            config.pop(key, None)
        config |= {
            "data-root": str(self.home / "data"),
            "exec-root": str(self.home / "exec"),
            "pidfile": str(self.home / "docker.pid"),
            "hosts": [f"unix://{self.socket}"],
            "bridge": "none",
        }
        (self.home / "daemon.json").write_text(json.dumps(config))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"docker://{self.socket}"

    def start(self) -> None:
        programs = self._programs
        path = f"{programs}/usr/sbin:{programs}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        log = self.home / "dockerd.log"
        for stale in self.home.glob("**/*.pid"):
            stale.unlink()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [programs / "usr/sbin/dockerd", "--config-file", self.home / "daemon.json"],
                env={
                    **os.environ,
                    "PATH": path,
                    "LD_LIBRARY_PATH": f"{programs}/lib-missing",
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(lambda: self._is_up(log), "the engine is up")

    def _is_up(self, log: Path) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, log.read_text()[-2000:]
        return b"API listen on" in log.read_bytes()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it: as a crash would, or, with SIGTERM, as who stops the service."""
        assert self._process is not None
        os.kill(self._process.pid, number)
        self._process.wait()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop it, as a machine that swaps or a debugger would, and let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def have_disk_of(self, size: str) -> None:
        """Have a disk of its own, such as ``64m``; before it is started."""
        data = self.home / "data"
        data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", data], check=True)

    def remove(self) -> None:
        """Leave no process, mount or file behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        for _ in range(50):
            mine = self._processes()
            for pid in mine:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not mine:
                break
            time.sleep(0.1)
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in reversed(points):
            if point.startswith(f"{self.home}/"):
                subprocess.run(["umount", "--lazy", point], check=False)
        shutil.rmtree(self.home)

    def _processes(self) -> list[int]:
        """Its containerd, shims and steps: who names its folder, or stands on its files."""
        needle = str(self.home).encode()
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with contextlib.suppress(OSError):
                    is_named = needle in (process / "cmdline").read_bytes()
                    mounts = (process / "mountinfo").read_bytes().splitlines()
                    roots = [line for line in mounts if line.split()[4] == b"/"]
                    if is_named or any(needle in line for line in roots):
                        found.append(int(process.name))
        return found


@contextlib.contextmanager
def throwaway_engine(disk: str = "") -> Iterator[ThrowawayEngine]:
    """Run an engine that a test may kill, on a disk of the size *disk* if it is given."""
    engine = ThrowawayEngine()
    try:
        if disk:
            engine.have_disk_of(disk)
        engine.start()
        yield engine
    finally:
        engine.remove()
