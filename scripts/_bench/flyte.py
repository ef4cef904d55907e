"""The peer's side: flytekit's own builder, run by the script that comes with the scenarios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _bench import paced
from _bench.depot import Depot
from _bench.images import MICROMAMBA, UV

FLYTEKIT = "1.16.31"


@dataclass(frozen=True)
class PeerStep:
    """What the peer says of one step: its seconds of building and pushing, and the image."""

    seconds: float
    image: str


class Peer:
    """The peer's process, which waits between its steps."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def step(self) -> PeerStep:
        """Let it do its next step, and wait for it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                said = json.loads(line)
                return PeerStep(said["seconds"], said["image"])
        raise SystemExit("the peer's build failed; its error stands above")


@contextmanager
def running(script: Path, scenarios: Path, depot: Depot, base: str, folder: Path) -> Iterator[Peer]:
    """Run the peer's script over a scenario file; *base* is in the registry of the depot."""
    command = [
        str(python()), paced.__file__, str(script), "--registry", depot.host,
        "--base", base, "--uv", UV, "--micromamba", MICROMAMBA, "--scenarios", str(scenarios),
    ]  # fmt: skip
    with docker_environment(folder) as docker:
        env = {**os.environ, **docker}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        try:
            yield Peer(process)
        finally:
            assert process.stdin
            process.stdin.close()  # it ends where it waits
            process.wait()
            assert process.stdout
            process.stdout.close()


@contextmanager
def docker_environment(folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment in which the peer finds its docker, with temporary files in *folder*."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        yield {**_docker(Path(scratch)), "TMPDIR": scratch}


def _docker(folder: Path) -> dict[str, str]:
    """Return the environment in which `docker build` is Debian's docker-cli with its buildx."""
    programs = Path(os.environ["ENGINE_DIR"]) / "programs/usr"
    plugins = str(programs / "libexec/docker/cli-plugins")
    config = folder / "docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [plugins]}), "utf-8")
    path = f"{programs / 'bin'}:{os.environ['PATH']}"
    return {"DOCKER_CONFIG": str(config), "PATH": path}


def python(name: str = f"flytekit-{FLYTEKIT}") -> Path:
    """Return the Python of an environment with flytekit, called *name*, made the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "buildkit-spec" / "bench" / name
    found, stamp = home / "bin/python", home / ".complete"
    if not stamp.exists():
        print(f"installing flytekit {FLYTEKIT}, the peer", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(found), "-m", "pip", "install", f"flytekit=={FLYTEKIT}"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(install)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        stamp.touch()
    return found
