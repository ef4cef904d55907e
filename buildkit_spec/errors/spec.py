"""Specs that cannot be used, with all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit_spec.errors.base import BuildkitSpecError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec.

    Attributes:
        field: Where, as a path: ``packages[2]``; empty for the spec as a whole.
        message: What is wrong, one line.
        remedy: What to write instead; may be empty.
        line: 1-based line in the YAML file; 0 when the spec did not come from a file.
        column: 1-based column in the YAML file; 0 likewise.
    """

    field: str
    message: str
    remedy: str = ""
    line: int = 0
    column: int = 0


class SpecError(BuildkitSpecError, ValueError):
    """An image spec cannot be used.

    Attributes:
        source: The file it came from, or empty.
    """

    def __init__(self, message: str, *, source: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.source = source


class SpecSyntaxError(SpecError):
    """A spec file is not YAML, or not a mapping.

    Attributes:
        line: 1-based; 0 when unknown.
        column: 1-based; 0 when unknown.
    """

    def __init__(
        self, message: str, *, source: str = "", line: int = 0, column: int = 0, remedy: str = ""
    ) -> None:
        place = f"{source}:{line}:{column}: " if line else (f"{source}: " if source else "")
        super().__init__(place + message, source=source, remedy=remedy)
        self.line = line
        self.column = column


class SpecValidationError(SpecError):
    """A spec has one or more problems; all of them are reported at once.

    Attributes:
        problems: Every problem found, in the order of the fields.
    """

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{source or 'image spec'}: {count} problem{'s' if count != 1 else ''}"
        lines = [head]
        for problem in self.problems:
            place = f"{source}:{problem.line}:{problem.column}: " if problem.line else ""
            field = f"{problem.field}: " if problem.field else ""
            lines.append(f"  {place}{field}{problem.message}")
            if problem.remedy:
                lines.append(f"    → {problem.remedy}")
        super().__init__("\n".join(lines), source=source)
