"""Files that commands write."""

from __future__ import annotations

import os
from pathlib import Path

from buildkit_spec.errors import SpecError


def replace_text(path: Path, text: str) -> None:
    """Write a file at once: whoever reads it meanwhile finds the old one or the new one.

    What is no regular file, such as ``/dev/stdout``, is written to as it is.

    Raises:
        SpecError: It cannot be written.
    """
    place = path.resolve()
    scratch = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        if place.exists() and not place.is_file():
            path.write_text(text, encoding="utf-8")
            return
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(place)
    except OSError as error:
        raise SpecError(f"{path} cannot be written: {error.strerror}", source=str(path)) from error
