"""`Origin`: what a spec knows about where it was made; not part of what it says."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkit_spec.spec.selection import FileSelection


def current_directory() -> Path:
    """Return the current directory; the root when it has been removed."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.sep)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a spec is called by the tool that it was made for, in place of what we would call it.

    Attributes:
        id: Stands for the spec inside its image.
        tag: The image's tag.
        contents: Hash of what the image was to hold when the tag was made.
    """

    id: str
    tag: str
    contents: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a spec was made.

    Attributes:
        root: Directory its relative paths start from, absolute: the YAML file's folder, or for a
            spec made in Python the current directory at that moment.
        is_forced: Whether ``force_push()`` was called on it.
        modules: Files of the Python modules that were loaded with it; None asks the process.
        lock: Where the lock of its Python packages would stand; None for a spec of no file.
        is_locked: Whether nothing may be resolved anew: see `ImageSpec.locked`.
        identity: See `ImageSpec.known_as`.
        source: The files of ``source_root``, relative to it, when somebody else chose them.
        folders: What was found in the spec's folders, by their use; see `ImageSpec.as_found`. None
            looks every time.
    """

    root: Path = field(default_factory=current_directory)
    is_forced: bool = False
    modules: tuple[Path, ...] | None = field(default=None, compare=False)
    lock: Path | None = field(default=None, compare=False)
    is_locked: bool = field(default=False, compare=False)
    identity: Identity | None = None
    source: tuple[str, ...] | None = None
    folders: dict[str, FileSelection] | None = field(default=None, compare=False, repr=False)
