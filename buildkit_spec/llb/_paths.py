"""Paths inside images, cleaned as Go's ``path`` package cleans them."""

from __future__ import annotations

import posixpath


def clean(path: str) -> str:
    """Return the shortest path that means the same; ``.`` for an empty one."""
    shortest = posixpath.normpath(path)
    # POSIX keeps two leading slashes, Go does not.
    return shortest[1:] if shortest.startswith("//") else shortest


def join(parent: str, path: str) -> str:
    """Return *path* as seen from *parent*; an absolute *path* stands alone."""
    return clean(path if path.startswith("/") else f"{parent}/{path}")


def destination(parent: str, path: str) -> str:
    """Return where a copy goes, absolute; a trailing ``/`` or ``/.`` means *into* and is kept.

    Source: ``client/llb/fileop.go``, ``normalizePath``.
    """
    target = join(f"/{parent}", path)
    if path.endswith("/") and not target.endswith("/"):
        return f"{target}/"
    if path.endswith("/."):
        return f"{target.rstrip('/')}/."
    return target
