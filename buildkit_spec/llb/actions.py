"""What a file vertex does: copies, files, directories, links, removals.

Paths are relative to the working directory of the state the actions are done on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import _paths, constants

if TYPE_CHECKING:
    from buildkit_spec.llb.state import State

_KEEP = -1
_NS_PER_S = 1_000_000_000
_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Chown:
    """Who owns what an action makes.

    Attributes:
        user: Name or id; ``user:group`` sets both; empty with a group is id 0.
        group: Name or id; None leaves the group alone.

    Names are looked up in the file system the actions are done on; ``root`` is always 0.

    Raises:
        InvalidVertexError: An id is out of range.

    Source: ``client/llb/fileop.go``, ``WithUser``.
    """

    user: str | int
    group: str | int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.user, str) and self.group is None:
            user, colon, group = self.user.partition(":")
            object.__setattr__(self, "user", user)
            object.__setattr__(self, "group", group if colon else None)
        for part in (self.user, self.group):
            if isinstance(part, int) and not 0 <= part <= _MAX_ID:
                raise InvalidVertexError(f"owner id {part} is not 0 to {_MAX_ID}")

    def to_pb(self, base: int) -> pb.ChownOpt:
        """Return it as a message; names are looked up in input *base*."""
        message = pb.ChownOpt(user=_owner(self.user, base))
        if self.group is not None:
            message.group.CopyFrom(_owner(self.group, base))
        return message


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy from another file system; see :func:`copy` for the members."""

    source: State | ActionChain
    src: str
    dest: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    required_paths: tuple[str, ...] = ()
    chown: Chown | None = None
    mode: int | str | None = None
    timestamp_s: int | None = None
    follow_symlinks: bool = False
    contents_only: bool = False
    create_dest_path: bool = False
    attempt_unpack: bool = False
    allow_wildcard: bool = False
    allow_empty_wildcard: bool = False
    always_replace: bool = False

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        used = {
            constants.CAP_FILE_COPY_PATTERNS: self.include or self.exclude,
            constants.CAP_FILE_COPY_REQUIRED_PATHS: self.required_paths,
            constants.CAP_FILE_COPY_ALWAYS_REPLACE: self.always_replace,
        }
        return {cap for cap, is_used in used.items() if is_used}

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        base_state = self.source.base if isinstance(self.source, ActionChain) else self.source
        message = pb.FileActionCopy(
            src=_paths.join(base_state.cwd, self.src),
            dest=_paths.destination(cwd, self.dest),
            mode=_KEEP if self.mode is None else self.mode if isinstance(self.mode, int) else 0,
            modeStr=self.mode if isinstance(self.mode, str) else "",
            timestamp=_timestamp(self.timestamp_s),
            include_patterns=self.include,
            exclude_patterns=self.exclude,
            required_paths=self.required_paths,
            followSymlink=self.follow_symlinks,
            dirCopyContents=self.contents_only,
            createDestPath=self.create_dest_path,
            attemptUnpackDockerCompatibility=self.attempt_unpack,
            allowWildcard=self.allow_wildcard,
            allowEmptyWildcard=self.allow_empty_wildcard,
            alwaysReplaceExistingDestPaths=self.always_replace,
        )
        if self.chown is not None:
            message.owner.CopyFrom(self.chown.to_pb(base))
        return pb.FileAction(copy=message)


@dataclass(frozen=True, slots=True)
class Mkfile:
    """Write a file; see :func:`mkfile` for the members."""

    path: str
    data: bytes
    mode: int
    chown: Chown | None = None
    timestamp_s: int | None = None

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return set()

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionMkFile(
            path=_paths.join(f"/{cwd}", self.path),
            mode=self.mode,
            data=self.data,
            timestamp=_timestamp(self.timestamp_s),
        )
        if self.chown is not None:
            message.owner.CopyFrom(self.chown.to_pb(base))
        return pb.FileAction(mkfile=message)


@dataclass(frozen=True, slots=True)
class Mkdir:
    """Make a directory; see :func:`mkdir` for the members."""

    path: str
    mode: int
    parents: bool = False
    chown: Chown | None = None
    timestamp_s: int | None = None

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return set()

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionMkDir(
            path=_paths.join(f"/{cwd}", self.path),
            mode=self.mode,
            makeParents=self.parents,
            timestamp=_timestamp(self.timestamp_s),
        )
        if self.chown is not None:
            message.owner.CopyFrom(self.chown.to_pb(base))
        return pb.FileAction(mkdir=message)


@dataclass(frozen=True, slots=True)
class Rm:
    """Remove; see :func:`rm` for the members."""

    path: str
    allow_not_found: bool = False
    allow_wildcard: bool = False

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return {constants.CAP_FILE_RM_WILDCARD} if self.allow_wildcard else set()

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        return pb.FileAction(
            rm=pb.FileActionRm(
                path=_paths.join(f"/{cwd}", self.path),
                allowNotFound=self.allow_not_found,
                allowWildcard=self.allow_wildcard,
            )
        )


@dataclass(frozen=True, slots=True)
class Symlink:
    """Make a symbolic link; see :func:`symlink` for the members."""

    oldpath: str
    newpath: str
    chown: Chown | None = None
    timestamp_s: int | None = None

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return {constants.CAP_FILE_SYMLINK_CREATE}

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionSymlink(
            oldpath=self.oldpath, newpath=self.newpath, timestamp=_timestamp(self.timestamp_s)
        )
        if self.chown is not None:
            message.owner.CopyFrom(self.chown.to_pb(base))
        return pb.FileAction(symlink=message)


FileAction = Copy | Mkfile | Mkdir | Rm | Symlink
"""Anything ``state.file(…)`` takes."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionChain:
    """File actions whose result a copy of the same vertex reads; no vertex of their own.

    Attributes:
        base: What they are done on.
        actions: At least one.

    Raises:
        InvalidVertexError: There are no actions.

    Source: ``client/llb/fileop.go``, ``FileAction.WithState``.
    """

    base: State
    actions: tuple[FileAction, ...]

    def __post_init__(self) -> None:
        if not self.actions:
            raise InvalidVertexError("file vertex has no actions")


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
        mode=mode,
        timestamp_s=timestamp_s,
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
        mode: Permissions.
        chown: Owner; None is root.
        timestamp_s: Modification time, Unix time in seconds; None is the time of the build.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o777: daemons drop the higher bits.
    """
    _check_mode("mkfile", path, mode, 0o777)
    content = data.encode() if isinstance(data, str) else data
    return Mkfile(path, content, mode, chown, timestamp_s)


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
        mode: Permissions.
        parents: Whether missing parents are made too, and a directory that is there is fine.
        chown: Owner; None is root.
        timestamp_s: Modification time, Unix time in seconds; None is the time of the build.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o777: daemons drop the higher bits.
    """
    _check_mode("mkdir", path, mode, 0o777)
    return Mkdir(path, mode, parents, chown, timestamp_s)


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
    return Symlink(oldpath, newpath, chown, timestamp_s)


def _check_mode(kind: str, path: str, mode: int, highest: int) -> None:
    if not 0 <= mode <= highest:
        raise InvalidVertexError(f"{kind} {path!r}: mode {mode:#o} is not 0 to {highest:#o}")


def _owner(part: str | int, base: int) -> pb.UserOpt:
    if isinstance(part, int):
        return pb.UserOpt(byID=part)
    if part in {"", "root"}:
        return pb.UserOpt(byID=0)
    if part.isascii() and part.isdigit() and int(part) <= _MAX_ID:
        return pb.UserOpt(byID=int(part))
    return pb.UserOpt(byName=pb.NamedUserOpt(name=part, input=base))


def _timestamp(timestamp_s: int | None) -> int:
    return _KEEP if timestamp_s is None else timestamp_s * _NS_PER_S
