"""How long it takes until anything happens: help, version, import."""

from __future__ import annotations

import sys

from _bench.timing import in_turn, process, report


def measure() -> None:
    """Whole processes, medians of nine."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import buildkit_spec": [sys.executable, "-c", "import buildkit_spec"],
        "from buildkit_spec import ImageSpec, build": [
            sys.executable,
            "-c",
            "from buildkit_spec import ImageSpec, build",
        ],
        "buildkit-spec --help": ["buildkit-spec", "--help"],
        "buildkit-spec --version": ["buildkit-spec", "--version"],
    }
    runs = {name: (lambda _, c=command: process(c)) for name, command in commands.items()}
    goals = {"import buildkit_spec": 0.05, "buildkit-spec --help": 0.15}
    report(in_turn(runs, rounds=9), goals=goals)
