"""Our side: the command as users run it, a process for each build, and what its log tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_IMPORTED = Path(__file__).with_name("imported.py")
_LONGEST = 6
_SHOWN_FROM_S = 0.05


@dataclass(frozen=True)
class Built:
    """What one run of the command did.

    Attributes:
        seconds: Wall clock from its beginning, all imported.
        process_s: Wall clock of the whole process.
        references: The images, pinned.
        log: What it wrote about its steps: JSON lines, and a summary.
    """

    seconds: float
    process_s: float
    references: tuple[str, ...]
    log: str


def build(files: Sequence[Path], log: Path) -> Built:
    """Run `buildkit-spec build` of spec files; its log goes to a file, as in a CI job."""
    command = [sys.executable, str(_IMPORTED), "build", *map(str, files)]
    with log.open("wb") as stream:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--progress", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, check=False,
            env=os.environ,
        )  # fmt: skip
        process_s = time.perf_counter() - started
    text = log.read_text("utf-8", "replace")
    if done.returncode:
        told = [line for line in text.splitlines() if not line.startswith("{")]
        raise SystemExit("\n".join(["our build failed", *told[-40:]]))
    took = json.loads(next(line for line in text.splitlines()[::-1] if line.startswith("{")))
    return Built(took["seconds"], process_s, tuple(done.stdout.decode().split()), text)


def profile(log: str) -> list[str]:
    """Return the phases of a build as its log sums them up, and the longest steps."""
    phases, steps = [], {}
    for line in log.splitlines():
        if not line.startswith("{"):
            phases.append(line.strip())
            continue
        event = json.loads(line)
        if event["type"] == "step" and event.get("duration_s"):
            steps[event.get("build"), event["step"]] = (event["duration_s"], event["name"])
    longest = [one for one in sorted(steps.values(), reverse=True) if one[0] >= _SHOWN_FROM_S]
    shown = [f"{seconds:8.2f} s  {name[:90]}" for seconds, name in longest[:_LONGEST]]
    return [one for one in phases if not one.startswith("docker pull")] + shown
