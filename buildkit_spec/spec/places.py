"""Whether files and folders are there: questions that never fail, as those of pathlib may.

A path that is too long, or in a folder that may not be read, counts as not there.
"""

from __future__ import annotations

import os
from pathlib import Path

from buildkit_spec.errors import SpecError


def is_there(path: Path) -> bool:
    """Whether *path* exists; a link counts as what it points to."""
    return os.path.exists(path)  # noqa: PTH110 - never raises


def is_file(path: Path) -> bool:
    """Whether *path* is a regular file."""
    return os.path.isfile(path)  # noqa: PTH113 - never raises


def is_directory(path: Path) -> bool:
    """Whether *path* is a directory."""
    return os.path.isdir(path)  # noqa: PTH112 - never raises


def text_of(path: Path) -> str:
    """Return the text of a small file; empty when it is not there, a link, or no file.

    Raises:
        SpecError: It is there and cannot be read.
    """
    if is_link(path) or not is_file(path):
        return ""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise SpecError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def is_link(path: Path) -> bool:
    """Whether *path* is a symbolic link."""
    return os.path.islink(path)  # noqa: PTH114 - never raises
