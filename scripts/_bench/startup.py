"""How long it takes until anything happens: help, version, import."""

from __future__ import annotations

import subprocess
import sys

from _bench.timing import in_turn, process, report

_PLUGIN = """
import time
from importlib import metadata
found = metadata.entry_points
metadata.entry_points = lambda **wish: [] if "flytekit.plugins" in wish.values() else found(**wish)
import flytekit
began = time.perf_counter()
import buildkit_spec.plugins.flytekit
print(time.perf_counter() - began)
"""


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
    name = "import flytekit: the plugin adds"
    report(in_turn({name: lambda _: _plugin_s()}, rounds=9), goals={name: 0.02})


def _plugin_s() -> float:
    """Load flytekit without the plugin, and return how long that takes then, in seconds."""
    run = [sys.executable, "-c", _PLUGIN]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
