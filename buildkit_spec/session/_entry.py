"""Whether an entry of a tree still is what was found."""

from __future__ import annotations

import os

from buildkit_spec.errors import FileChangedError
from buildkit_spec.values.entry import Entry

_CHANGED_REMEDY = "build again once nothing writes to the directory"


def entry_of(path: str, status: os.stat_result, link: str = "") -> Entry:
    """Return an entry of what ``lstat`` says."""
    return Entry(
        path,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        link,
        status.st_rdev,
    )


def check_same(entry: Entry, descriptor: int) -> None:
    """Check that an open file is the one that was found, and unchanged.

    Raises:
        FileChangedError: It is another one, or it was written to.
    """
    now = os.fstat(descriptor)
    # The change time, because a tool may set the other one back, or put a file of the same size
    # and time in its place; it also tells of other permissions. Not the inode: some network file
    # systems give a file another one at each look.
    if (
        now.st_ctime_ns != entry.ctime_ns
        or now.st_mtime_ns != entry.mtime_ns
        or now.st_size != entry.size_bytes
    ):
        raise changed(entry.path)


def changed(path: str) -> FileChangedError:
    """Return the error of an entry that is not what was found any more."""
    return FileChangedError(
        f"{path!r} changed while it was being sent", path=path, remedy=_CHANGED_REMEDY
    )
