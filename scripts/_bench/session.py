"""Files to the daemon and back, against buildx, and against a buildctl where one is given."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from _bench.peer import buildx
from _bench.timing import process, verdict

ABOUT = """\
Whole processes, in turn on the same daemon; medians, each with its ratio to the peer's. Each side
has folders of its own, written anew for each round and at rest for three seconds; `again` is the
same build once more, `out` writes what was built into a directory."""

SPEC = "name: bench-{salt}\nbase_image: scratch\nsource_root: files\nsource_copy_mode: all\n"
GOAL = 1.0
MEMORY_BYTES = 150_000_000
_AT_REST_S = 3.0
_SPARSE_BYTES = 10_000_000_000


@dataclass(frozen=True)
class Tree:
    """Files that a build sends: so many, of a size, the first bytes of each drawn by chance."""

    name: str
    count: int
    size: int
    has_goal: bool = True

    def write(self, root: Path) -> None:
        """Write them into a hundred folders."""
        for number in range(100):
            (root / f"d{number}").mkdir(parents=True)
        for number in range(self.count):
            rest = self.size
            with (root / f"d{number % 100}" / f"f{number}").open("wb") as file:
                while rest > 0:
                    chunk = os.urandom(64) + bytes([number % 256]) * (min(rest, 1 << 20) - 64)
                    file.write(chunk[:rest])
                    rest -= len(chunk)


SMALL = Tree("20 000 files of 2 KiB", 20_000, 2048)
LARGE = Tree("512 MiB in four files", 4, 128 << 20)
MANY = Tree("100 000 files of 2 KiB", 100_000, 2048, has_goal=False)


class Side:
    """Who builds: its name, and its command for a folder that was prepared for it."""

    def __init__(self, name: str, command: Callable[[Path, str], list[str]], out: str) -> None:
        self.name = name
        self._command = command
        self._out = out

    def build(self, folder: Path, salt: str) -> float:
        """Return the seconds of a build."""
        return process(self._command(folder, salt))

    def take_out(self, folder: Path, salt: str) -> float:
        """Return the seconds of a build that writes its files into a directory."""
        destination = folder / "out"
        shutil.rmtree(destination, ignore_errors=True)
        return process([*self._command(folder, salt), self._out, f"type=local,dest={destination}"])


def measure(*, rounds: int, buildctl: Path | None, address: str) -> None:
    """Send small files and large ones, take them out again; then very many, and a very large one.

    Args:
        rounds: How often.
        buildctl: A program to compare with as well, on the daemon at *address*.
        address: A plain ``buildkitd``.
    """
    print(ABOUT, flush=True)
    _compare([_ours(), _buildx()], rounds)
    if buildctl is not None:
        _compare([_ours(address), _buildctl(buildctl, address)], rounds)
    _show_sparse()
    _remove_images()


def _compare(sides: list[Side], rounds: int) -> None:
    for tree, times in ((SMALL, rounds), (LARGE, rounds), (MANY, 1)):
        took: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number in range(times):
            for side in sides if number % 2 == 0 else sides[::-1]:
                for phase, seconds in _round(tree, side).items():
                    took[phase, side.name].append(seconds)
        for phase in dict.fromkeys(phase for phase, _ in took):
            _show(tree, phase, {side.name: took[phase, side.name] for side in sides})


def _round(tree: Tree, side: Side) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder, salt = Path(place), os.urandom(4).hex()
        tree.write(folder / "files")
        (folder / "image.yaml").write_text(SPEC.format(salt=salt))
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY files /root\n")
        time.sleep(_AT_REST_S)
        took = {"first": side.build(folder, salt), "again": side.build(folder, salt)}
        if tree.has_goal:
            took["out"] = side.take_out(folder, salt)
        return took


def _show(tree: Tree, phase: str, took: Mapping[str, list[float]]) -> None:
    ours, peer = (statistics.median(one) for one in took.values())
    each = f"{ours / tree.count * 1e6:5.0f} µs a file" if tree.count > 1000 else ""
    goal = verdict(ours / peer, GOAL) if tree.has_goal and phase != "out" else ""
    print(
        f"{tree.name}, {phase:6} {ours:8.2f} s {ours / peer:5.2f} × {list(took)[1]} ({peer:.2f} s)"
        f"  {each}  {goal}",
        flush=True,
    )


def _show_sparse() -> None:
    """Send ten gigabytes of nothing and get them back, and print how much memory that took."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        if shutil.disk_usage(os.environ["ENGINE_DIR"]).free < 3 * _SPARSE_BYTES:
            print("10 GB in one file: left out, the daemon's disk has no room for it")
            return
        (folder / "files").mkdir()
        with (folder / "files" / "sparse").open("wb") as file:
            file.truncate(_SPARSE_BYTES)
        (folder / "image.yaml").write_text(SPEC.format(salt="sparse"))
        started = time.perf_counter()
        with subprocess.Popen(
            [*_ours_command(folder), "--output", "type=tar,dest=-"], stdout=subprocess.DEVNULL
        ) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - started
        if child.returncode:
            raise SystemExit("10 GB in one file: the build failed")
        peak = usage.ru_maxrss * 1024
        print(
            f"10 GB in one file: {took:.0f} s, at most {peak / 1e6:.0f} MB of memory"
            f"  {verdict(peak / MEMORY_BYTES, 1.0, f'{MEMORY_BYTES / 1e6:.0f} MB')}"
        )
        for what in ("type=source.local", "description~=bench-sparse"):
            prune = ["buildkit-spec", "prune", "--keep-duration", "0", "--filter", what]
            subprocess.run(prune, check=True, stdout=subprocess.DEVNULL)


def _ours_command(folder: Path) -> list[str]:
    spec = str(folder / "image.yaml")
    return ["buildkit-spec", "build", spec, "--no-push", "--force", "--progress", "quiet"]


def _ours(address: str = "") -> Side:
    way = ["--addr", address] if address else []
    return Side("ours", lambda folder, _: [*_ours_command(folder), *way], "--output")


def _buildx() -> Side:
    def command(folder: Path, salt: str) -> list[str]:
        quiet = ["build", "--progress", "quiet", "--provenance=false"]
        return buildx(*quiet, "--tag", f"bench-{salt}", str(folder))

    return Side("buildx", command, "--output")


def _buildctl(program: Path, address: str) -> Side:
    def command(folder: Path, _: str) -> list[str]:
        files = [f"--local={name}={folder}" for name in ("context", "dockerfile")]
        build = [str(program), "--addr", address, "build", "--progress", "plain"]
        return [*build, "--frontend", "dockerfile.v0", *files]

    return Side("buildctl", command, "--output")


def _remove_images() -> None:
    docker = str(Path(os.environ["ENGINE_DIR"]) / "programs/usr/bin/docker")
    listed = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    ours: Iterable[str] = [name for name in listed if name.startswith("bench-")]
    if ours:
        subprocess.run([docker, "image", "rm", *ours], capture_output=True, check=False)
