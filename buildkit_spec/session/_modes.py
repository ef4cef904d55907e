"""File modes on the wire, which are Go's, and ours.

Source: WIRE.md, and Go's ``io/fs/fs.go``.
"""

from __future__ import annotations

import stat
from functools import lru_cache

_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
}
_SPECIAL = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))
_TYPE = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
"""``os.ModeType``: of these bits, sockets and irregular files have one that nothing above has."""

_FROM_GO = {go: kind for kind, go in _KINDS.items()} | {0: stat.S_IFREG}


@lru_cache(maxsize=1024)
def go_mode(mode: int, mask: int = 0o7777) -> int:
    """Return ``st_mode`` as Go's ``os.FileMode``.

    Args:
        mode: As ``lstat`` gives it.
        mask: Permission bits to keep, set-user-id and its like among them; not a symlink's.
    """
    kind = stat.S_IFMT(mode)
    if kind != stat.S_IFLNK:
        mode &= mask
    result = mode & 0o777 | _KINDS.get(kind, 0)
    for bit, go_bit in _SPECIAL:
        if mode & bit:
            result |= go_bit
    return result


def unix_mode(mode: int) -> int | None:
    """Return Go's ``os.FileMode`` as ``st_mode``; None of what is no file, directory, link or node.

    Args:
        mode: As it came over the wire.
    """
    kind = _FROM_GO.get(mode & _TYPE)
    if kind is None:
        return None
    result = mode & 0o777 | kind
    for bit, go_bit in _SPECIAL:
        if mode & go_bit:
            result |= bit
    return result
