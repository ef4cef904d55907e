"""What a command finds mounted: file systems, caches, secrets, agent sockets, devices.

Targets are paths in the command's file system; a daemon takes a relative one from the command's
working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import constants
from buildkit_spec.llb.constants import EMPTY_INPUT

if TYPE_CHECKING:
    from buildkit_spec.llb._vertex import Output
    from buildkit_spec.llb.state import State

_MAX_MODE = 0o7777


class CacheSharing(Enum):
    """How several commands use one cache mount at a time; the value is that on the wire.

    Attributes:
        SHARED: All at once.
        PRIVATE: Each further one gets a fresh one.
        LOCKED: One after another.
    """

    SHARED = 0
    PRIVATE = 1
    LOCKED = 2


class ContentCache(Enum):
    """Whether a mount counts by its content in the cache key; the value is that on the wire.

    Attributes:
        DEFAULT: When it is read-only or has no output.
        ON: Always.
        OFF: Never: the digest of what it comes from counts.
    """

    DEFAULT = 0
    ON = 1
    OFF = 2


@dataclass(frozen=True, slots=True)
class Bind:
    """The result of another state.

    Attributes:
        target: Path of the directory.
        source: What is mounted; scratch is an empty directory.
        selector: Path in *source* to mount; empty is all of it.
        readonly: Whether the command cannot write to it. It then has no output.
        has_output: Whether what the command wrote can be used: ``run.mount(target)``.
        content_cache: Whether it counts by its content.

    Raises:
        InvalidVertexError: *target* is empty.
    """

    target: str
    source: State
    selector: str = ""
    readonly: bool = False
    has_output: bool = True
    content_cache: ContentCache = ContentCache.DEFAULT

    def __post_init__(self) -> None:
        _check_target("bind", self.target)

    @property
    def output(self) -> Output | None:
        """What stands below it; None is nothing."""
        return self.source.output

    @property
    def is_result(self) -> bool:
        """Whether the command's vertex has an output for it."""
        return self.has_output and not self.readonly

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        caps = set()
        if self.output is not None:
            caps.add(constants.CAP_EXEC_MOUNT_BIND)
        if self.selector:
            caps.add(constants.CAP_EXEC_MOUNT_SELECTOR)
        if self.content_cache is not ContentCache.DEFAULT:
            caps.add(constants.CAP_EXEC_MOUNT_CONTENT_CACHE)
        return caps

    def to_pb(self, input_index: int, output_index: int) -> pb.Mount:
        """Return it as a message."""
        return pb.Mount(
            input=input_index,
            dest=self.target,
            output=output_index,
            selector=self.selector,
            readonly=self.readonly,
            contentCache=self.content_cache.value,
        )


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A directory that stays on the daemon between builds and is in no layer.

    Attributes:
        target: Path of the directory.
        id: Names the directory; the same everywhere on the daemon.
        sharing: How several commands use it at a time.
        source: What it holds at first; None is nothing.
        selector: Path in *source*; empty is all of it.
        readonly: Whether the command cannot write to it.

    Raises:
        InvalidVertexError: *target* or *id* is empty.
    """

    target: str
    id: str
    sharing: CacheSharing = CacheSharing.SHARED
    source: State | None = None
    selector: str = ""
    readonly: bool = False

    def __post_init__(self) -> None:
        _check_target("cache", self.target)
        if not self.id:
            raise InvalidVertexError(f"cache mount at {self.target!r} has no id")

    @property
    def output(self) -> Output | None:
        """What stands below it; None is nothing."""
        return None if self.source is None else self.source.output

    @property
    def is_result(self) -> bool:
        """A cache is never an output."""
        return False

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        caps = {constants.CAP_EXEC_MOUNT_CACHE, constants.CAP_EXEC_MOUNT_CACHE_SHARING}
        return caps | {constants.CAP_EXEC_MOUNT_SELECTOR} if self.selector else caps

    def to_pb(self, input_index: int, output_index: int) -> pb.Mount:
        """Return it as a message."""
        return pb.Mount(
            input=input_index,
            dest=self.target,
            output=output_index,
            selector=self.selector,
            readonly=self.readonly,
            mountType=pb.MountType.CACHE,
            cacheOpt=pb.CacheOpt(ID=self.id, sharing=self.sharing.value),
        )


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A directory in memory, gone after the command.

    Attributes:
        target: Path of the directory.
        size_bytes: The most it may hold; 0 leaves it to the daemon.

    Raises:
        InvalidVertexError: *target* is empty, or *size_bytes* is negative.
    """

    target: str
    size_bytes: int = 0

    def __post_init__(self) -> None:
        _check_target("tmpfs", self.target)
        if self.size_bytes < 0:
            raise InvalidVertexError(
                f"tmpfs mount at {self.target!r} has a negative size: {self.size_bytes}"
            )

    @property
    def output(self) -> Output | None:
        """Nothing stands below it."""
        return None

    @property
    def is_result(self) -> bool:
        """What is in memory is never an output."""
        return False

    def caps(self) -> set[str]:
        """Return the capabilities it needs."""
        caps = {constants.CAP_EXEC_MOUNT_TMPFS}
        return caps | {constants.CAP_EXEC_MOUNT_TMPFS_SIZE} if self.size_bytes else caps

    def to_pb(self, input_index: int, output_index: int) -> pb.Mount:
        """Return it as a message."""
        return pb.Mount(
            input=input_index,
            dest=self.target,
            output=output_index,
            mountType=pb.MountType.TMPFS,
            TmpfsOpt=pb.TmpfsOpt(size=self.size_bytes),
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as a file. Its value is in no layer and no cache key.

    Attributes:
        target: Path of the file.
        id: What the session is asked for.
        uid: Owner of the file.
        gid: Group of the file.
        mode: Permissions of the file.
        optional: Whether the command runs without it when nobody has it.

    Raises:
        InvalidVertexError: *target* or *id* is empty, or *mode* is not 0 to 0o7777.
    """

    target: str
    id: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o400
    optional: bool = False

    def __post_init__(self) -> None:
        _check_target("secret", self.target)
        if not self.id:
            raise InvalidVertexError(f"secret mount at {self.target!r} has no id")
        _check_mode("secret", self.target, self.mode)

    def to_pb(self) -> pb.Mount:
        """Return it as a message."""
        option = pb.SecretOpt(
            ID=self.id, uid=self.uid, gid=self.gid, mode=self.mode, optional=self.optional
        )
        return pb.Mount(
            input=EMPTY_INPUT, dest=self.target, mountType=pb.MountType.SECRET, secretOpt=option
        )


@dataclass(frozen=True, slots=True)
class SSH:
    """The socket of an ssh agent.

    Attributes:
        target: Path of the socket; empty is ``/run/buildkit/ssh_agent.<n>``.
        id: What the session is asked for; empty is its default agent.
        uid: Owner of the socket.
        gid: Group of the socket.
        mode: Permissions of the socket.
        optional: Whether the command runs without it when nobody has it.

    Raises:
        InvalidVertexError: *mode* is not 0 to 0o7777.
    """

    target: str = ""
    id: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o600
    optional: bool = False

    def __post_init__(self) -> None:
        _check_mode("ssh", self.target, self.mode)

    def to_pb(self) -> pb.Mount:
        """Return it as a message."""
        option = pb.SSHOpt(
            ID=self.id, uid=self.uid, gid=self.gid, mode=self.mode, optional=self.optional
        )
        return pb.Mount(
            input=EMPTY_INPUT, dest=self.target, mountType=pb.MountType.SSH, SSHOpt=option
        )


FileSystemMount = Bind | CacheMount | Tmpfs
"""A mount that is a directory."""

Mount = Bind | CacheMount | Tmpfs | Secret | SSH
"""Anything ``state.run(mounts=…)`` takes."""


@dataclass(frozen=True, slots=True)
class SecretEnv:
    """A secret as an environment variable. Its value is in no layer and no cache key.

    Attributes:
        env: Name of the variable.
        id: What the session is asked for.
        optional: Whether the command runs without it when nobody has it.

    Raises:
        InvalidVertexError: *env* is empty or holds ``=``, or *id* is empty.
    """

    env: str
    id: str
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.env or "=" in self.env:
            raise InvalidVertexError(
                f"secret variable {self.env!r} has a bad name (not empty, without '=')"
            )
        if not self.id:
            raise InvalidVertexError(f"secret variable {self.env!r} has no id")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Proxies the command is told of, in both spellings. They are in no cache key.

    Attributes:
        http: ``http_proxy``.
        https: ``https_proxy``.
        ftp: ``ftp_proxy``.
        no: ``no_proxy``.
        all: ``all_proxy``.
    """

    http: str = ""
    https: str = ""
    ftp: str = ""
    no: str = ""
    all: str = ""


@dataclass(frozen=True, slots=True)
class CDIDevice:
    """A device of the daemon's machine.

    Attributes:
        name: Its full CDI name, such as ``vendor.com/gpu=0``.
        optional: Whether the command runs without it.
    """

    name: str
    optional: bool = False


def _check_target(kind: str, target: str) -> None:
    if not target:
        raise InvalidVertexError(f"{kind} mount has no target")


def _check_mode(kind: str, target: str, mode: int) -> None:
    if not 0 <= mode <= _MAX_MODE:
        raise InvalidVertexError(f"{kind} mount at {target!r}: mode {mode:#o} is not 0 to 0o7777")
