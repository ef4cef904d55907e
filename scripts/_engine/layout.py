"""Where one suite's engine keeps its files, and what it remembers between runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

SUITES = ("testing", "stable", "oldstable")
_SOCKET_PATH_LIMIT = 107  # sockaddr_un.sun_path without its final NUL


@dataclass(frozen=True)
class Layout:
    """The private folder of one suite; every path the engine uses is below `home`."""

    suite: str
    root: Path

    @classmethod
    def of(cls, suite: str) -> Layout:
        """The layout of a suite below BUILDKIT_SPEC_ENGINE_DIR or the user's cache folder."""
        configured = os.environ.get("BUILDKIT_SPEC_ENGINE_DIR")
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = Path(configured or f"{cache}/buildkit-spec/engine").expanduser().absolute()
        return cls(suite, root)

    @property
    def home(self) -> Path:
        return self.root / self.suite

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
