"""What becomes of a build's result, besides a push under the spec's own name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from buildkit_spec.values.reference import Reference

ArchiveKind = Literal["oci", "docker", "tar"]


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """An image in the daemon's store, and in registries.

    Attributes:
        names: What it is called; by default as the spec says.
        is_pushed: Whether it is pushed, under all of its names.
        is_by_digest: Whether it is pushed without tags: only its digest names it there.
        is_insecure: Whether plain http, and TLS that proves nothing, will do for that.
        is_unpacked: Whether the daemon unpacks it, so that it can be run there at once.
        attrs: Further attributes of the exporter, by BuildKit's names.
    """

    names: tuple[Reference, ...] = ()
    is_pushed: bool = False
    is_by_digest: bool = False
    is_insecure: bool = False
    is_unpacked: bool = False
    attrs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_only_pushed(self) -> bool:
        """Whether nothing is to be done when the image is there, under its tags."""
        return self.is_pushed and not self.is_by_digest and not self.is_unpacked


@dataclass(frozen=True, slots=True)
class ArchiveOutput:
    """An archive on this machine: in its place only when the build went well.

    Attributes:
        kind: ``oci`` (an image layout, all platforms), ``docker`` (for ``docker load``, one
            platform) or ``tar`` (the files).
        path: The file; None is standard output, which must not be a terminal.
        names: What the image in it is called; by default as the spec says. A ``tar`` has none.
        attrs: Further attributes of the exporter, by BuildKit's names.
    """

    kind: ArchiveKind
    path: Path | None
    names: tuple[Reference, ...] = ()
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LocalOutput:
    """The image's files in a directory, those of each platform in one of its own.

    Attributes:
        path: The directory. What it has already stays, unless the image has it too.
        attrs: Further attributes of the exporter, by BuildKit's names.
    """

    path: Path
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadOutput:
    """The image in the Docker Engine: the one that builds, else the one a docker client would use.

    Attributes:
        names: What it is called; by default as the spec says.
    """

    names: tuple[Reference, ...] = ()


Output = ImageOutput | ArchiveOutput | LocalOutput | LoadOutput
"""One of the things that may become of a result."""
