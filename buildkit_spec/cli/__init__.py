"""The command line: parse, call, print, exit code; no logic.

A command's module is imported when the command is called, so that ``--help`` starts at once.
"""

from __future__ import annotations

import gc
import signal
import sys

from buildkit_spec.cli.group import commands

_OBJECTS = 100_000


def main() -> None:
    """Run the command line and exit: 0 done, 1 build failed, 2 wrong input, 3 no daemon."""
    # What a build makes stays until its end: looking for garbage in it takes a tenth of the time.
    gc.set_threshold(_OBJECTS)
    # A program that is told to end, as by a CI system, cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(commands.main(standalone_mode=True))


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)
