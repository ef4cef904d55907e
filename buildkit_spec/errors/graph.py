"""Graphs that cannot be made or read, and what a build needs that cannot be had."""

from __future__ import annotations

from buildkit_spec.errors.base import BuildkitSpecError


class GraphError(BuildkitSpecError):
    """A graph cannot be made or read."""


class InvalidVertexError(GraphError):
    """A vertex breaks a rule of its op."""


class InvalidDefinitionError(GraphError):
    """Bytes are not a valid definition.

    Attributes:
        digest: Digest of the op that is wrong; empty when it is the definition as a whole.
    """

    def __init__(self, message: str, *, digest: str = "") -> None:
        super().__init__(message)
        self.digest = digest


class UnsupportedCapabilityError(BuildkitSpecError):
    """The daemon cannot do what the build needs.

    Attributes:
        capability: The capability's name as the daemon spells it, such as ``mergeop``.
    """

    def __init__(self, message: str, *, capability: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.capability = capability


class ToolUnavailableError(BuildkitSpecError):
    """A program that the build needs cannot be had.

    Attributes:
        tool: The program, such as ``uv``.
    """

    def __init__(self, message: str, *, tool: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.tool = tool
