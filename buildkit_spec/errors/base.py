"""`BuildkitSpecError`: what every error of this package is."""

from __future__ import annotations


class BuildkitSpecError(Exception):
    """Root of the hierarchy.

    Attributes:
        message: What is wrong, one line.
        remedy: What to do about it: a command to run or one sentence; empty when there is none.
        is_temporary: Whether the same call may succeed later with nothing changed by the user.
    """

    is_temporary: bool = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message
