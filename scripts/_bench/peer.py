"""The peer: buildx of Debian's packages, on the same daemon."""

from __future__ import annotations

import os
from pathlib import Path


def buildx(*arguments: str) -> list[str]:
    """Return a buildx command."""
    programs = Path(os.environ["ENGINE_DIR"]) / "programs"
    return [str(programs / "usr/libexec/docker/cli-plugins/docker-buildx"), *arguments]
