"""`Finding`: one thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from buildkit_spec.errors import BuildkitSpecError

Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What: ``address``, ``certificate``, ``daemon``, ``platforms``, ``layers``,
            ``pushes``, ``clock``, ``entitlements``, ``cache``, ``disk``, ``certificates``,
            ``proxies``, ``index``; of images ``registry``, ``push``, ``base image``, ``caches``.
        level: ``bad`` where a build will fail, ``warn`` where it is slower or soon will.
        message: How it is.
        remedy: A command or a sentence; empty when there is nothing to do.
    """

    subject: str
    level: Level
    message: str
    remedy: str = ""


def bad(subject: str, error: BuildkitSpecError) -> Finding:
    """Return an error as a finding."""
    return Finding(subject, "bad", error.message, error.remedy)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level of all."""
    order: tuple[Level, ...] = ("ok", "warn", "bad")
    return max((one.level for one in findings), key=order.index, default="ok")
