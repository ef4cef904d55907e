"""The user this process runs as: a home, and a folder that nobody else writes to."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path


def home_directory(env: Mapping[str, str] = os.environ) -> Path:
    """Return the user's home: ``HOME``, else the system's entry of the user, else ``/``.

    Container platforms run images under numbers that no ``/etc/passwd`` knows. ``/`` is what
    container runtimes set ``HOME`` to then: there is nothing of the user's in it.

    Args:
        env: The environment.
    """
    if env.get("HOME"):
        return Path(env["HOME"])
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def private_folder(parent: Path | None = None) -> Path | None:
    """Return the user's own folder for temporary files, the same for all of their processes.

    Args:
        parent: Where it stands; by default where temporary files go.

    Returns:
        None when there is none that is safe: another user may have made one of its name, to read
        what is put there or to slip something in.
    """
    import tempfile

    folder = (parent or Path(tempfile.gettempdir())) / f"buildkit-spec-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if is_own and stat.S_IMODE(status.st_mode) == 0o700 else None
