"""The Python files this process has loaded that are the user's own."""

from __future__ import annotations

import os
import site
import sys
from functools import cache
from pathlib import Path
from types import ModuleType


def loaded_files() -> tuple[Path, ...]:
    """Return the files of all modules of this process that are the user's own, sorted.

    Source: flytekit ``tools/script_mode.py``, ``list_imported_modules_as_files``.
    """
    own = map(own_file, list(sys.modules.values()))
    return tuple(sorted({file for file in own if file is not None}))


def own_file(module: ModuleType) -> Path | None:
    """Return the file of a module, links in its folder resolved; None when it is installed."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or file.endswith(".pyc"):
        return None
    real = _real(Path(file).parent) / Path(file).name
    return None if any(real.is_relative_to(place) for place in _installed()) else real


@cache
def _installed() -> tuple[Path, ...]:
    ours = str(Path(__file__).parents[1])
    places = [sys.prefix, sys.base_prefix, site.getusersitepackages(), *site.getsitepackages()]
    return tuple(_real(Path(place)) for place in [*places, ours])


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
