"""A private BuildKit and registry from Debian's packages; `scripts/engine` is its command line.

Standard library only: it runs before any virtual environment exists.
"""

from __future__ import annotations

import sys
from pathlib import Path


class EngineFailure(Exception):
    """Something on this machine keeps the engine from running.

    Attributes:
        remedy: What the user can do about it; empty when nothing is known.
        log: Log file whose last lines explain the failure, if there is one.
    """

    def __init__(self, message: str, *, remedy: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.log = log


def say(message: str) -> None:
    """Tell the user about a step; standard output is kept for `env`."""
    print(f"engine: {message}", file=sys.stderr, flush=True)
