"""The command line: parse, call, print, exit code; no logic.

A command's module is imported when the command is called, so that ``--help`` starts at once.
"""

from __future__ import annotations

import signal
import sys

from buildkit_spec.cli.group import commands


def main() -> None:
    """Run the command line and exit: 0 done, 1 build failed, 2 wrong input, 3 no daemon."""
    # A program that is told to end, as by a CI system, cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(commands.main(standalone_mode=True))


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)
