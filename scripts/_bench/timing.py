"""Timing whole processes, in turn, so that a drifting machine does not favour either."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[int], float]


def process(command: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Run a command and return its wall-clock time in seconds; its output on failure."""
    started = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return took


def in_turn(runs: Mapping[str, Run], rounds: int = 5) -> dict[str, float]:
    """Run each once a round, in turn, and return the median of each, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            times[name].append(run(number))
    return {name: statistics.median(values) for name, values in times.items()}


def verdict(measured: float, goal: float, text: str = "") -> str:
    """Return how a figure stands to what it may be at most, which *text* says in other words."""
    return f"≤ {text or goal} {'met' if measured <= goal else 'MISSED'}"


def report(
    medians: Mapping[str, float], peer: str = "", goals: Mapping[str, float] | None = None
) -> None:
    """Print the medians, each one's ratio to the peer's, and how it stands to its goal.

    Args:
        medians: Seconds, by name.
        peer: The name of the one to compare with; without one, goals are in seconds.
        goals: What is allowed at most, by name: a ratio, or seconds.
    """
    for name, seconds in medians.items():
        measured, ratio = seconds, ""
        if peer and name != peer:
            measured = seconds / medians[peer]
            ratio = f"   {measured:.2f} × {peer}"
        goal = (goals or {}).get(name)
        print(
            f"{name:48} {seconds:8.3f} s{ratio}"
            f"{'' if goal is None else f'   {verdict(measured, goal)}'}"
        )
