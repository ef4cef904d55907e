"""File actions as values, ready for the wire; ``llb.copy`` and its likes make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import _paths, constants

if TYPE_CHECKING:
    from buildkit_spec.llb.state import State

KEEP = -1  # a mode or timestamp that stays as it is
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
    mode: int = KEEP
    mode_text: str = ""
    timestamp_ns: int = KEEP
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
            mode=self.mode,
            modeStr=self.mode_text,
            timestamp=self.timestamp_ns,
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
    timestamp_ns: int = KEEP

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return set()

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionMkFile(
            path=_paths.join(f"/{cwd}", self.path),
            mode=self.mode,
            data=self.data,
            timestamp=self.timestamp_ns,
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
    timestamp_ns: int = KEEP

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return set()

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionMkDir(
            path=_paths.join(f"/{cwd}", self.path),
            mode=self.mode,
            makeParents=self.parents,
            timestamp=self.timestamp_ns,
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
    timestamp_ns: int = KEEP

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        return {constants.CAP_FILE_SYMLINK_CREATE}

    def to_pb(self, cwd: str, base: int) -> pb.FileAction:
        """Return it as a message without indexes."""
        message = pb.FileActionSymlink(
            oldpath=self.oldpath, newpath=self.newpath, timestamp=self.timestamp_ns
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


def _owner(part: str | int, base: int) -> pb.UserOpt:
    if isinstance(part, int):
        return pb.UserOpt(byID=part)
    if part in {"", "root"}:
        return pb.UserOpt(byID=0)
    if part.isascii() and part.isdigit() and int(part) <= _MAX_ID:
        return pb.UserOpt(byID=int(part))
    return pb.UserOpt(byName=pb.NamedUserOpt(name=part, input=base))
