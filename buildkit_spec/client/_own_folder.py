"""A folder for a socket that does not outlive its process, even one that is killed.

Each folder is locked by the process it belongs to. The lock ends with the process, whatever ends
it, and then the next process of the same user removes the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from buildkit_spec.values.user import private_folder

_MAX_PARENT_BYTES = 100 - len("/buildkit-spec-4294967295/relay-12345678/relay.sock")
"""Of the path of a socket Linux takes 107 bytes, macOS 103."""


def own_folder() -> tuple[Path, int]:
    """Make a folder (mode 0700) for this process, and remove those whose process is no more.

    Returns:
        The folder, and the descriptor that holds its lock.
    """
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > _MAX_PARENT_BYTES:
        parent = Path("/tmp")  # noqa: S108 - what is used below is checked to be the user's own
    common = private_folder(parent)
    if common is None:
        folder = Path(tempfile.mkdtemp(prefix="buildkit-spec-", dir=parent))
        return folder, os.open(folder, os.O_RDONLY)
    with _locked(common):  # else another process might take a folder for left before it is locked
        for left in common.glob("relay-*"):
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(prefix="relay-", dir=common))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def remove_folder(folder: Path, lock: int) -> None:
    """Remove a folder of this process."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _remove_if_left(folder: Path) -> None:
    with contextlib.suppress(OSError), _locked(folder, is_patient=False):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, *, is_patient: bool = True) -> Iterator[None]:
    """Hold the lock of a folder; where somebody has it, wait, or fail with `BlockingIOError`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
