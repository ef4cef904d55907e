"""The embedded daemon: one of our own, started when none runs, and stopped when nobody uses it."""

from __future__ import annotations

from buildkit_spec.daemon.embedded import IDLE_S, EmbeddedDaemon, find_running, join, stop
from buildkit_spec.daemon.folder import Folder
from buildkit_spec.daemon.program import Program, find_program
from buildkit_spec.daemon.words import Running

__all__ = [
    "IDLE_S",
    "EmbeddedDaemon",
    "Folder",
    "Program",
    "Running",
    "find_program",
    "find_running",
    "join",
    "stop",
]
