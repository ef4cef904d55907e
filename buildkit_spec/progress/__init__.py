"""The status stream for people and programs: one model, three faces, and failures explained."""

from __future__ import annotations

from buildkit_spec.progress.display import BuildDisplay, Display, Mode, open_display
from buildkit_spec.progress.failure import failure_text
from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.step import Changes, LogLine, Step, StepState, Summary, Transfer

__all__ = [
    "BuildDisplay",
    "BuildModel",
    "Changes",
    "Display",
    "LogLine",
    "Mode",
    "Step",
    "StepState",
    "Summary",
    "Transfer",
    "failure_text",
    "open_display",
]
