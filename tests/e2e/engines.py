"""Docker Engines of other generations, or empty ones, that ``scripts/engine`` starts for a test."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec import BuildkitBuilder

SCRIPT = Path(__file__).parents[2] / "scripts" / "engine"


@dataclass(frozen=True)
class Kind:
    """One generation of Engine, with or without the containerd image store."""

    suite: str
    store: str

    def __str__(self) -> str:
        return f"{self.suite}-{self.store}"


# Those without the store first: what only they do is tested on a slice of this list.
KINDS = (
    Kind("oldstable", "graph"),
    Kind("stable", "graph"),
    Kind("testing", "graph"),
    Kind("stable", "containerd"),
)
GRAPH_KINDS = KINDS[:3]
"""The main engine is the one that is left: testing, with the store."""


@dataclass(frozen=True)
class RunningEngine:
    """An Engine that is up."""

    kind: Kind
    address: str
    network: str

    def builder(self, **env: str) -> BuildkitBuilder:
        """A builder on it; its steps have the network that works there."""
        return BuildkitBuilder(self.address, network=self.network, env={**os.environ, **env})


@contextlib.contextmanager
def running_engine(kind: Kind) -> Iterator[RunningEngine]:
    """Start an Engine, and stop it again if it was not up before."""
    options = ["--suite", kind.suite, "--store", kind.store]
    was_up = subprocess.run([SCRIPT, "status", *options], capture_output=True).returncode == 0
    subprocess.run([SCRIPT, "up", *options], check=True)
    try:
        told = subprocess.run([SCRIPT, "env", *options], check=True, capture_output=True, text=True)
        words = [shlex.split(line) for line in told.stdout.splitlines()]
        env = dict(word[1].split("=", 1) for word in words if word[0] == "export")
        network = env.get("BUILDKIT_SPEC_NETWORK", "default")
        yield RunningEngine(kind, env["BUILDKIT_HOST"], network)
    finally:
        if not was_up:
            subprocess.run([SCRIPT, "down", *options], check=True)


@contextlib.contextmanager
def empty_engine() -> Iterator[BuildkitBuilder]:
    """Start an Engine that has built nothing yet, and remove it with all it has.

    It has its own folder; the programs and the base image in it are those of the main engine.
    """
    main = Path(os.environ["ENGINE_DIR"])
    root = Path(tempfile.mkdtemp(prefix="e-", dir=main.parents[1]))
    home = root / main.name
    home.mkdir()
    subprocess.run(["cp", "-al", main / "programs", home / "programs"], check=True)
    subprocess.run(["cp", "-al", main.parent / "base", root / "base"], check=True)
    versions = json.loads((main / "state.json").read_text())["versions"]
    (home / "state.json").write_text(json.dumps({"versions": versions}))
    env = {**os.environ, "BUILDKIT_SPEC_ENGINE_DIR": str(root)}
    try:
        subprocess.run([SCRIPT, "up"], env=env, check=True)
        done = subprocess.run([SCRIPT, "env"], env=env, check=True, capture_output=True, text=True)
        words = [shlex.split(line) for line in done.stdout.splitlines()]
        told = dict(word[1].split("=", 1) for word in words if word[0] == "export")
        yield BuildkitBuilder(
            told["BUILDKIT_HOST"], network=told.get("BUILDKIT_SPEC_NETWORK", "default")
        )
    finally:
        subprocess.run([SCRIPT, "down", "--purge"], env=env, check=True)
        shutil.rmtree(root)


Tree = Mapping[str, tuple[object, ...]]
"""All that counts of a file system, by path."""


def removed_tree(root: Path) -> Tree:
    """Read kind, mode, owner, content and links of every file, not times; remove the files.

    Nor that ``/dev`` is there, which a base image may lack and every runtime makes.
    """
    inodes: dict[int, str] = {}
    found = {}
    for path in sorted(root.rglob("*")):
        name, status = str(path.relative_to(root)), path.lstat()
        first = inodes.setdefault(status.st_ino, name)
        content = ""
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode) and first == name:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content, first)
    if not any(name.startswith("dev/") for name in found):
        found.pop("dev", None)
    shutil.rmtree(root)
    return found


def differences(one: Tree, other: Tree) -> list[str]:
    """What differs between two file systems, a line for each path."""
    return [
        f"{name}: {one.get(name)} {other.get(name)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
