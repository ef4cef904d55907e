"""Where the embedded daemon keeps what it has: a folder of this user alone, mode 0700."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec.errors import DaemonStartError
from buildkit_spec.values.user import home_directory, private_folder

_SOCKET_PATH_BYTES = 107
"""What Linux takes. Source: ``unix(7)``, ``sun_path`` without its final NUL."""

_LONGEST_SOCKET = "exec/containerd/containerd-debug.sock.ttrpc"
"""Below `Folder.run`, of all that the daemons make there."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The daemon's files.

    Attributes:
        root: What stays: the build cache, and the logs.
        run: What goes with the daemon: sockets, pid files, temporary files.
    """

    root: Path
    run: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Folder:
        """Return this user's, ``$XDG_CACHE_HOME/buildkit-spec/daemon-UID``, and make it.

        The user's number is part of its name: ``sudo`` may keep ``HOME``, and root's files would
        be in a user's way.

        Raises:
            DaemonStartError: It cannot be made, or is not the user's own.
        """
        configured = env.get("XDG_CACHE_HOME", "")
        # Source: XDG base directory specification: a relative path is to be ignored.
        cache = Path(configured) if configured.startswith("/") else home_directory(env) / ".cache"
        return cls.at(cache / "buildkit-spec" / f"daemon-{os.getuid()}")

    @classmethod
    def at(cls, root: Path) -> Folder:
        """Return the one that stands at *root*, and make it.

        Raises:
            DaemonStartError: It cannot be made, or is not the user's own.
        """
        _make_private(root)
        run = root / "run"
        if len(os.fsencode(run / _LONGEST_SOCKET)) > _SOCKET_PATH_BYTES:
            common = private_folder(Path("/tmp"))  # noqa: S108 - checked to be the user's own
            if common is None:
                raise DaemonStartError(
                    f"{root} is too long a path for sockets, and /tmp has no place that is safe",
                    path=str(root),
                    remedy="export XDG_CACHE_HOME=DIR, with a shorter path",
                )
            run = common / f"daemon-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"
        _make_private(run)
        return cls(root, run)

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.run / "supervisor.sock"

    @property
    def log(self) -> Path:
        """What the daemon says; of the last start only."""
        return self.root / "daemon.log"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says: nothing, unless it fails."""
        return self.root / "supervisor.log"

    @property
    def life(self) -> Path:
        """Locked from a supervisor's start until the last process of it has ended."""
        return self.root / "life.lock"

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Let one build at a time look for the supervisor, and start it."""
        descriptor = os.open(self.root / "turn.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid():
            raise DaemonStartError(
                f"{folder} is not this user's own folder", path=str(folder), remedy="remove it"
            )
        folder.chmod(0o700)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise DaemonStartError(
            f"{folder} cannot be made: {said}",
            path=str(folder),
            remedy="export XDG_CACHE_HOME=DIR, a folder that may be written to",
        ) from error
