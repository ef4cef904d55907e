"""Our errors as people read them: what, where, the last lines it said, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from buildkit_spec.errors import (
    BuildkitSpecError,
    DaemonStartError,
    ExecError,
    ExportError,
    ResolutionError,
    SolveError,
)
from buildkit_spec.progress.lines import clean

LOG_LINES = 20
"""Last lines of output shown."""

COMMAND_LIMIT = 240
"""Characters of a command shown; its middle gives way."""

_LINE_LIMIT = 400
"""Characters of one line of output shown."""


def failure_text(error: BuildkitSpecError) -> str:
    """Return what to print about a failure, several lines, the last without its end.

    Args:
        error: Any error of ours. Of a failed step, its name, the part of the spec it comes from,
            its command, its last lines and its exit code are shown, as far as they are known.
    """
    if not isinstance(error, (SolveError, DaemonStartError)):
        return "\n".join(clean(line) for line in str(error).split("\n"))
    message = clean(error.message)
    if isinstance(error, ResolutionError):
        lines = [message, *(f"  {clean(line)}".rstrip() for line in error.explanation)]
        return "\n".join([*lines, *([f"  → {error.remedy}"] if error.remedy else [])])
    lines = [message]
    lines += [f"  {label + ':':<11}{value}" for label, value in _facts(error)]
    if error.log_tail:
        tail = error.log_tail[-LOG_LINES:]
        left_out = len(error.log_tail) - len(tail)
        lines.append(f"  last lines{f' ({left_out} more before)' if left_out else ''}:")
        lines += [f"    {_short(clean(line), _LINE_LIMIT)}".rstrip() for line in tail]
    if isinstance(error, ExecError):
        lines.append(f"  {'exit code:':<11}{error.exit_code}")
    if error.remedy:
        lines.append(f"  → {error.remedy}")
    return "\n".join(lines)


def command_text(command: Sequence[str]) -> str:
    """Return a command on one line, quoted for a shell, its middle left out when it is long."""
    return _short(clean(" ".join(shlex.join(command).split())), COMMAND_LIMIT)


def _facts(error: SolveError | DaemonStartError) -> Iterator[tuple[str, str]]:
    if isinstance(error, DaemonStartError):
        return
    if error.vertex:
        yield "step", clean(" ".join(error.vertex.split()))
    if error.source:
        yield "from", clean(error.source)
    if isinstance(error, ExportError) and error.reference:
        yield "image", clean(error.reference)
    if isinstance(error, ExecError) and error.command:
        yield "command", command_text(error.command)


def _short(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]} … {text[len(text) - (limit - head - 3) :]}"
