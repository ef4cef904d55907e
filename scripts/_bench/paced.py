"""Runs in the peer's environment: its script, which goes on to the next step when it is told to.

The script takes the time of a step, and then prints it. Its `print` waits here for a line on
standard input, so the wait lies between two steps and never in one.

Usage: paced.py SCRIPT [ARGUMENT…]
"""

from __future__ import annotations

import builtins
import runpy
import sys
from pathlib import Path


def _wait() -> None:
    if not sys.stdin.readline():
        raise SystemExit(0)


def _print(*words: object, **_: object) -> None:
    builtins.print(*words, flush=True)
    _wait()


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).parent)  # as if it were run itself
    _wait()
    runpy.run_path(sys.argv[0], init_globals={"print": _print}, run_name="__main__")
