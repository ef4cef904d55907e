"""Flyte 2 as its users run it: programs and its command line in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FLYTE = Path(sysconfig.get_path("scripts")) / "flyte"

HEAD = """
import asyncio, os, sys
from pathlib import Path
import flyte
flyte.init(image_builder="buildkit", root_dir=Path.cwd())
base = flyte.Image.from_base(os.environ["BASE_IMAGE"]).clone(
    registry=os.environ["REGISTRY"], name="image", python_version=(3, 11), extendable=True)
"""


@dataclass(frozen=True)
class Flyte2:
    """Runs Flyte 2 with a home of its own.

    Attributes:
        home: The home; Flyte writes there.
        account: Where images go.
        folder: Where programs run when they do not say.
    """

    home: Path
    account: str
    folder: Path

    def __call__(
        self,
        *args: str,
        program: str = "",
        cwd: Path | None = None,
        is_good: bool = True,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program, which begins with `HEAD`, or Flyte's command line."""
        words = [sys.executable, "-c", HEAD + textwrap.dedent(program)] if program else [FLYTE]
        own = {"HOME": str(self.home), "REGISTRY": self.account, "COLUMNS": "300"}
        done = subprocess.run(
            [*words, *args],
            cwd=cwd or self.folder,
            env={**os.environ, **own, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == is_good, done.stdout + done.stderr
        return done


def uris(text: str) -> dict[str, str]:
    """Names of images, pinned to their digests, by the last part of their repository."""
    found = re.findall(r"(\S+/([a-z-]+):[0-9a-f]{32}@sha256:[0-9a-f]{64})", text)
    return {name: uri for uri, name in found}


def write_wheel(folder: Path, name: str, files: Mapping[str, str], needs: str = "") -> None:
    """Write version 1.0 of a package that is in no index."""
    info = f"{name}-1.0.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
