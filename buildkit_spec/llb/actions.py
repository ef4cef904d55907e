"""What a file vertex does: copies, files, directories, links, removals.

Paths are relative to the working directory of the state the actions are done on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb._actions import (
    KEEP,
    ActionChain,
    Chown,
    Copy,
    FileAction,
    Mkdir,
    Mkfile,
    Rm,
    Symlink,
)

if TYPE_CHECKING:
    from buildkit_spec.llb.state import State

_NS_PER_S = 1_000_000_000


def copy(
    source: State | ActionChain,
    src: str,
    dest: str,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    required_paths: Iterable[str] = (),
    chown: Chown | None = None,
    mode: int | str | None = None,
    timestamp_s: int | None = None,
    follow_symlinks: bool = False,
    contents_only: bool = False,
    create_dest_path: bool = False,
    attempt_unpack: bool = False,
    allow_wildcard: bool = False,
    allow_empty_wildcard: bool = False,
    always_replace: bool = False,
) -> FileAction:
    """Copy a file or directory from another file system.

    Args:
        source: Where from: another state, or actions done in the same vertex.
        src: Path in *source*, relative to its working directory.
        dest: Path to copy to; a trailing ``/`` means into that directory.
        include: Patterns; only what matches one is copied. Empty is all.
        exclude: Patterns; what matches one is not copied, even when it is included.
        required_paths: Paths that must be there when *include* is given.
        chown: Owner of what is copied; None keeps it.
        mode: Permissions, as bits or as ``chmod`` spells them (``u+x``); None keeps them.
        timestamp_s: Modification time, Unix time in seconds; None keeps it.
        follow_symlinks: Whether links in *src* are followed.
        contents_only: Whether of a directory only what is in it is copied.
        create_dest_path: Whether missing directories of *dest* are made.
        attempt_unpack: Whether an archive is unpacked.
        allow_wildcard: Whether *src* may hold ``*``, ``?`` and ``[…]``.
        allow_empty_wildcard: Whether a wildcard may match nothing.
        always_replace: Whether something of another type at *dest* gives way.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o7777.
    """
    if isinstance(mode, int):
        _check_mode("copy", dest, mode, 0o7777)
    return Copy(
        source=source,
        src=src,
        dest=dest,
        include=tuple(include),
        exclude=tuple(exclude),
        required_paths=tuple(required_paths),
        chown=chown,
        mode=KEEP if mode is None else 0 if isinstance(mode, str) else mode,
        mode_text=mode if isinstance(mode, str) else "",
        timestamp_ns=_timestamp_ns(timestamp_s),
        follow_symlinks=follow_symlinks,
        contents_only=contents_only,
        create_dest_path=create_dest_path,
        attempt_unpack=attempt_unpack,
        allow_wildcard=allow_wildcard,
        allow_empty_wildcard=allow_empty_wildcard,
        always_replace=always_replace,
    )


def mkfile(
    path: str,
    data: bytes | str,
    *,
    mode: int = 0o644,
    chown: Chown | None = None,
    timestamp_s: int | None = None,
) -> FileAction:
    """Write a file.

    Args:
        path: Where; its directory must be there.
        data: Its content; a text is written as UTF-8.
        mode: Permissions, less the daemon's umask (0 in buildkitd, 022 in Docker Engine).
        chown: Owner; None is root.
        timestamp_s: Modification time, Unix time in seconds; None is the time of the build.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o777: daemons drop the higher bits.
    """
    _check_mode("mkfile", path, mode, 0o777)
    content = data.encode() if isinstance(data, str) else data
    return Mkfile(path, content, mode, chown, _timestamp_ns(timestamp_s))


def mkdir(
    path: str,
    *,
    mode: int = 0o755,
    parents: bool = False,
    chown: Chown | None = None,
    timestamp_s: int | None = None,
) -> FileAction:
    """Make a directory.

    Args:
        path: Where.
        mode: Permissions, less the daemon's umask (0 in buildkitd, 022 in Docker Engine).
        parents: Whether missing parents are made too, and a directory that is there is fine.
        chown: Owner; None is root.
        timestamp_s: Modification time, Unix time in seconds; None is the time of the build.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o777: daemons drop the higher bits.
    """
    _check_mode("mkdir", path, mode, 0o777)
    return Mkdir(path, mode, parents, chown, _timestamp_ns(timestamp_s))


def rm(path: str, *, allow_not_found: bool = False, allow_wildcard: bool = False) -> FileAction:
    """Remove a file or directory.

    Args:
        path: What.
        allow_not_found: Whether it need not be there.
        allow_wildcard: Whether *path* may hold ``*``, ``?`` and ``[…]``.
    """
    return Rm(path, allow_not_found, allow_wildcard)


def symlink(
    oldpath: str, newpath: str, *, chown: Chown | None = None, timestamp_s: int | None = None
) -> FileAction:
    """Make a symbolic link.

    Args:
        oldpath: What it points to, written into the link as it is.
        newpath: Path of the link; unlike other paths, a relative one goes on from ``/``.
        chown: Owner; None is root.
        timestamp_s: Modification time, Unix time in seconds; None is the time of the build.
    """
    return Symlink(oldpath, newpath, chown, _timestamp_ns(timestamp_s))


def _check_mode(kind: str, path: str, mode: int, highest: int) -> None:
    if not 0 <= mode <= highest:
        raise InvalidVertexError(f"{kind} {path!r}: mode {mode:#o} is not 0 to {highest:#o}")


def _timestamp_ns(timestamp_s: int | None) -> int:
    return KEEP if timestamp_s is None else timestamp_s * _NS_PER_S
