"""Where one suite's engine keeps its files, and what it remembers between runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from _engine import EngineFailure

SUITES = ("testing", "stable", "oldstable")
CONTAINERD, GRAPH = "containerd", "graph"
STORES = (CONTAINERD, GRAPH)
"""Where an engine keeps images: in containerd, or the older way, in a graph driver."""

_SOCKET_PATH_LIMIT = 107  # sockaddr_un.sun_path without its final NUL


@dataclass(frozen=True)
class Layout:
    """The private folder of one suite and store; every path the engine uses is below `home`."""

    suite: str
    root: Path
    store: str

    @classmethod
    def of(cls, suite: str, store: str = "") -> Layout:
        """The layout of a suite below BUILDKIT_SPEC_ENGINE_DIR or the user's cache folder.

        Args:
            suite: One of SUITES.
            store: One of STORES; by default the best that the suite's engine has.

        Raises:
            EngineFailure: The suite's engine has no such store.
        """
        if store == CONTAINERD != best_store(suite):
            raise EngineFailure(f"the engine of {suite} has no containerd image store")
        configured = os.environ.get("BUILDKIT_SPEC_ENGINE_DIR")
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = Path(configured or f"{cache}/buildkit-spec/engine").expanduser().absolute()
        return cls(suite, root, store or best_store(suite))

    def every(self) -> list[Layout]:
        """All layouts below the same root, those with their suite's best store first."""
        best = [Layout(suite, self.root, best_store(suite)) for suite in SUITES]
        return [*best, *(replace(one, store=GRAPH) for one in best if one.store != GRAPH)]

    @property
    def best(self) -> Layout:
        """The layout of the same suite with its best store; it has the packages."""
        return replace(self, store=best_store(self.suite))

    @property
    def name(self) -> str:
        """What messages, lock and folder call it: the suite, and the store if not its best."""
        return self.suite if self.store == best_store(self.suite) else f"{self.suite}-{self.store}"

    @property
    def options(self) -> str:
        """The command line's options that choose it, with a space before each."""
        suite = "" if self.suite == SUITES[0] else f" --suite {self.suite}"
        return suite if self.name == self.suite else f"{suite} --store {self.store}"

    @property
    def home(self) -> Path:
        return self.root / self.name

    @property
    def lock(self) -> Path:
        return self.root / f"{self.name}.lock"

    @property
    def programs(self) -> Path:
        """Unpacked packages; a process whose executable lies here is ours."""
        return self.home / "programs"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def exec_root(self) -> Path:
        return self.home / "exec"

    @property
    def socket(self) -> Path:
        return self.home / "docker.sock"

    @property
    def registry_data(self) -> Path:
        return self.home / "registry"

    @property
    def registry_binary(self) -> Path:
        return self.programs / "usr/bin/docker-registry"

    @property
    def base(self) -> Path:
        """The base image's layer, shared by all suites."""
        return self.root / "base"

    @property
    def arm64_base(self) -> Path:
        """The same for arm64."""
        return self.base / "arm64"

    @property
    def bridge(self) -> str:
        """Name of the suite's bridge: unlike any other folder's, at most 15 characters."""
        return f"bks-{hashlib.sha256(str(self.home).encode()).hexdigest()[:8]}"

    def log(self, program: str) -> Path:
        return self.home / f"{program}.log"

    def pid_file(self, program: str) -> Path:
        return self.home / f"{program}.pid"

    def longest_socket(self) -> int:
        """By how many characters the longest socket path is too long; 0 or less fits."""
        longest = self.exec_root / "containerd/containerd-debug.sock.ttrpc"
        return len(os.fsencode(longest)) - _SOCKET_PATH_LIMIT


def best_store(suite: str) -> str:
    """The newest kind of image store that a suite's engine has."""
    return GRAPH if suite == "oldstable" else CONTAINERD


@dataclass
class State:
    """What `up` decided, so that `env`, `status`, `down` and the next `up` know it."""

    registry_port: int = 0
    network: str = ""
    network_reason: str = ""
    subnet: str = ""
    iptables: str = ""
    base_image: str = ""
    base_digest: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    is_cgroup_mounted: bool = False
    multi_base_image: str = ""
    emulator: str = ""
    is_binfmt_mounted: bool = False

    @classmethod
    def load(cls, layout: Layout) -> State:
        """The state of the last `up`; empty when there is none or it cannot be read."""
        try:
            stored = json.loads((layout.home / "state.json").read_text("utf-8"))
            return cls(**stored)
        except (OSError, ValueError, TypeError):
            return cls()

    def save(self, layout: Layout) -> None:
        path = layout.home / "state.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")
        fresh.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file: one `up` or `down` at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
