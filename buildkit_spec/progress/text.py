"""Sizes and times as people read them."""

from __future__ import annotations

from buildkit_spec.progress.step import Step


def size_text(size_bytes: float) -> str:
    """Return a size with its unit: powers of 1000, as Docker shows them."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 999.95:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1000:.1f} TB"


def seconds_text(seconds: float) -> str:
    """Return a duration: ``0.4s``, ``75.0s``."""
    return f"{seconds:.1f}s"


def moved_text(step: Step) -> str:
    """Return how much a step has moved and of how much; empty when nothing was."""
    current, total = step.current_bytes, step.total_bytes
    if not total:
        return ""
    if current >= total:
        return size_text(current)
    return f"{size_text(current)} / {size_text(total)}"
