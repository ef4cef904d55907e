"""What a build makes: solved parts of the graph, their files, and the whole that it ends with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit_spec._pb import gateway as pb
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.client.gateway import Gateway

PLATFORMS = "refs.platforms"
"""Result metadata: the platforms of the refs. Source: ``exporter/containerimage/exptypes``."""

_EVALUATE_CAP = "gateway.evaluate"
_CHUNK_BYTES = 8 << 20
"""A message takes at most 16 MiB."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file of a result.

    Attributes:
        path: Its name.
        mode: Go's ``os.FileMode``.
        size_bytes: Its size.
        link_target: Where it points when it is a link.
    """

    path: str
    mode: int
    size_bytes: int
    link_target: str = ""

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return bool(self.mode & 1 << 31)


class Ref:
    """A solved part of the graph; it is built when something asks for its files, or at the end.

    Attributes:
        id: The daemon's name for it; empty for scratch.
    """

    def __init__(self, gateway: Gateway, ref_id: str) -> None:
        self._gateway = gateway
        self.id = ref_id

    def read_file(self, path: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes.

        Args:
            path: In the part's file system.
            offset: Where to begin, in bytes.
            length: How many bytes at most; None for all.

        Raises:
            SolveError: The part cannot be built, or has no such file.
            DaemonError: The daemon went away.
        """
        pieces: list[bytes] = []
        while length is None or length > 0:
            size = _CHUNK_BYTES if length is None else min(length, _CHUNK_BYTES)
            request = pb.ReadFileRequest(
                Ref=self.id, FilePath=path, Range=pb.FileRange(Offset=offset, Length=size)
            )
            pieces.append(self._gateway.call(pb.LLBBridge.ReadFile, request).Data)
            if len(pieces[-1]) < size:
                break
            offset += size
            length = None if length is None else length - size
        return b"".join(pieces)

    def read_dir(self, path: str, *, pattern: str = "") -> tuple[FileStat, ...]:
        """Return a directory's entries.

        Args:
            path: In the part's file system.
            pattern: Only the names that match it, as ``*.py``.

        Raises:
            SolveError: The part cannot be built, or has no such directory.
            DaemonError: The daemon went away.
        """
        request = pb.ReadDirRequest(Ref=self.id, DirPath=path, IncludePattern=pattern)
        entries = self._gateway.call(pb.LLBBridge.ReadDir, request).entries
        return tuple(FileStat(one.path, one.mode, one.size, one.linkname) for one in entries)

    def stat_file(self, path: str) -> FileStat:
        """Return what one file is.

        Raises:
            SolveError: The part cannot be built, or has no such file.
            DaemonError: The daemon went away.
        """
        request = pb.StatFileRequest(Ref=self.id, Path=path)
        one = self._gateway.call(pb.LLBBridge.StatFile, request).stat
        return FileStat(one.path, one.mode, one.size, one.linkname)

    def evaluate(self) -> None:
        """Build the part now.

        Raises:
            SolveError: It cannot be built.
            DaemonError: The daemon went away.
        """
        if not self.id:
            return  # scratch
        if self._gateway.frontend_caps.supports(_EVALUATE_CAP):
            self._gateway.call(pb.LLBBridge.Evaluate, pb.EvaluateRequest(Ref=self.id))
        else:
            self.stat_file(".")


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """What a build ends with.

    Attributes:
        refs: The result by platform; a Ref of scratch or None is an empty file system.
        metadata: Such as the image configs, by the names of ``exptypes``.
    """

    refs: Mapping[Platform, Ref | None] = field(default_factory=dict)
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self) -> pb.Result:
        """Return it as it goes to the daemon: one ref alone, or several by platform."""
        result = pb.Result(metadata=self.metadata)
        refs = {platform: pb.Ref(id=ref.id if ref else "") for platform, ref in self.refs.items()}
        if len(refs) == 1:
            (only,) = refs.values()
            result.ref.CopyFrom(only)
        else:
            result.refs.SetInParent()
            for platform, ref in refs.items():
                result.refs.refs[str(platform)].CopyFrom(ref)
            result.metadata[PLATFORMS] = _platform_list(refs)
        return result


def _platform_list(platforms: Iterable[Platform]) -> bytes:
    entries = []
    for platform in platforms:
        value = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            value["variant"] = platform.variant
        entries.append({"ID": str(platform), "Platform": value})
    return json.dumps({"Platforms": entries}, sort_keys=True).encode()
