"""Builds that fail on the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec.errors.base import BuildkitSpecError

if TYPE_CHECKING:
    from collections.abc import Sequence


class SolveError(BuildkitSpecError):
    """A build failed on the daemon.

    Attributes:
        code: gRPC status code name, such as ``UNKNOWN``.
        vertex: Name of the step that failed, or empty.
        vertex_digest: Its digest, or empty.
        source: What in the spec the step comes from, or empty.
        platform: Of an image for several platforms the one that failed, or empty.
        log_tail: The step's last log lines.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        vertex: str = "",
        source: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.vertex = vertex
        self.vertex_digest = ""
        self.source = source
        self.platform = ""
        self.log_tail = tuple(log_tail)


class ExecError(SolveError):
    """A command of the build ended with an exit code that is not allowed.

    Attributes:
        command: The arguments as they were run.
        exit_code: What it ended with.
    """

    def __init__(
        self,
        message: str,
        *,
        command: Sequence[str] = (),
        exit_code: int,
        code: str = "",
        vertex: str = "",
        source: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(
            message, code=code, vertex=vertex, source=source, log_tail=log_tail, remedy=remedy
        )
        self.command = tuple(command)
        self.exit_code = exit_code


class ResolutionError(ExecError):
    """The Python packages of a spec do not go together, or cannot be found.

    Attributes:
        explanation: Why, in the resolver's own words: lines.
    """

    def __init__(
        self,
        message: str,
        *,
        explanation: Sequence[str],
        exit_code: int,
        vertex: str = "",
        source: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, exit_code=exit_code, vertex=vertex, source=source, remedy=remedy)
        self.explanation = tuple(explanation)


class ExportError(SolveError):
    """The image was built but could not be exported or pushed.

    Attributes:
        reference: Where it was to go.
    """

    def __init__(
        self,
        message: str,
        *,
        reference: str = "",
        code: str = "",
        log_tail: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(message, code=code, log_tail=log_tail, remedy=remedy)
        self.reference = reference


class SolveCanceledError(SolveError):
    """The build was cancelled, by us or on the daemon."""
