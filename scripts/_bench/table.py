"""Figures of two builders by step, and the table of their medians."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from _bench.scenario import GOALS

_MB = 1e6


@dataclass(frozen=True)
class Measured:
    """One step of one round.

    Attributes:
        seconds: Wall clock of build and push, all imported.
        process_s: Of the whole process, where each build is one.
        pushed_bytes: What was new in the registry.
        image_bytes: The image's layers, compressed.
    """

    seconds: float
    process_s: float
    pushed_bytes: int
    image_bytes: int


class Figures:
    """All that was measured, by step and by who."""

    def __init__(self) -> None:
        self._rounds: dict[tuple[str, str], list[Measured]] = defaultdict(list)

    def add(self, step: str, who: str, measured: Measured) -> None:
        """Note a step of a round."""
        self._rounds[step, who].append(measured)

    def median(self, step: str, who: str) -> Measured:
        """Return the medians of a step, each figure's own."""
        rounds = self._rounds[step, who]
        return Measured(
            statistics.median(one.seconds for one in rounds),
            statistics.median(one.process_s for one in rounds),
            round(statistics.median(one.pushed_bytes for one in rounds)),
            round(statistics.median(one.image_bytes for one in rounds)),
        )

    def ratios(self, step: str) -> list[float]:
        """Return our seconds over the peer's, of each round."""
        pairs = zip(self._rounds[step, "ours"], self._rounds[step, "peer"], strict=True)
        return [ours.seconds / peer.seconds for ours, peer in pairs]


def show(figures: Figures, steps: Sequence[str], *, has_goals: bool = True) -> None:
    """Print the medians, the ratio of seconds with its range, and how it stands to the goal."""
    print(
        f"\n{'':26}{'seconds':>16}{'ratio':>9} {'':15} {'goal':15}{'process':>8}"
        f"{'pushed, MB':>18}  {'image, MB':>18}\n"
        f"{'step':26}{'ours':>8}{'peer':>8}{'':41}{'ours':>8}"
        f"{'ours':>9}{'peer':>9}  {'ours':>9}{'peer':>9}"
    )
    for step in steps:
        ours, peer = figures.median(step, "ours"), figures.median(step, "peer")
        ratio, ratios = ours.seconds / peer.seconds, figures.ratios(step)
        spread = f"({min(ratios):.3f}–{max(ratios):.3f})" if len(ratios) > 1 else ""
        print(
            f"{step:26}{ours.seconds:8.2f}{peer.seconds:8.2f}{ratio:9.3f} {spread:15}"
            f" {_verdict(GOALS.get(step) if has_goals else None, ratio):15}{ours.process_s:8.2f}"
            f"{ours.pushed_bytes / _MB:9.2f}{peer.pushed_bytes / _MB:9.2f}  "
            f"{ours.image_bytes / _MB:9.1f}{peer.image_bytes / _MB:9.1f}"
            f"{'' if ours.image_bytes <= peer.image_bytes else '  larger'}"
        )


def _verdict(goal: float | None, ratio: float) -> str:
    if goal is None:
        return ""
    return f"≤ {goal:<5} {'met' if ratio <= goal else 'MISSED'}"
