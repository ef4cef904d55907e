"""`Entry`: a file, directory or link of a tree, as it was found."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A file, directory or link as it was found.

    Attributes:
        path: From the tree's root, with ``/``, without a leading one.
        mode: ``st_mode``.
        size_bytes: ``st_size``.
        mtime_ns: When its content changed.
        ctime_ns: When anything of it changed.
        link: A symlink's target as it is; of a file with several names the first of them that
            belongs to the tree, unless that is this one.
        device: Of a device: which.
        stamp_ns: What is told as its time in place of when its content changed.
    """

    path: str
    mode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    link: str = ""
    device: int = 0
    stamp_ns: int | None = None
