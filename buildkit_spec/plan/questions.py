"""The one protocol through which a plan asks about the world."""

from __future__ import annotations

from typing import Protocol

from buildkit_spec.llb import State
from buildkit_spec.values import Platform, Reference, ResolvedImage


class Questions(Protocol):
    """Somebody who knows: the daemon during a build, a registry or a fixed answer otherwise."""

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        """Return digest and config of an image.

        Raises:
            RegistryError: There is no such image, or it cannot be told.
        """

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        """Build *state* for a platform and return one file of it.

        Raises:
            SolveError: It cannot be built, or has no such file.
        """

    def supports(self, capability: str) -> bool:
        """Whether the daemon has an LLB capability, such as ``mergeop``."""


class Remembering:
    """Passes questions on, and remembers what was built to answer them.

    Args:
        questions: Who answers.

    Attributes:
        built: What files were read of.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self.built: list[State] = []

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        """See `Questions.resolve_image`."""
        return self._questions.resolve_image(reference, platform)

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        """See `Questions.read_file`."""
        self.built.append(state)
        return self._questions.read_file(state, path, platform)

    def supports(self, capability: str) -> bool:
        """See `Questions.supports`."""
        return self._questions.supports(capability)
