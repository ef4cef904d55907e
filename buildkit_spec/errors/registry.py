"""Registries that do not do what they are asked."""

from __future__ import annotations

from buildkit_spec.errors.base import BuildkitSpecError


class RegistryError(BuildkitSpecError):
    """A registry did not do what was asked.

    Attributes:
        reference: The image asked about.
        status: The HTTP status; 0 when there was no answer.
    """

    def __init__(
        self, message: str, *, reference: str = "", status: int = 0, remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.reference = reference
        self.status = status


class RegistryAuthError(RegistryError):
    """The registry wants another login, or this login may not do this."""


class RegistryUnavailableError(RegistryError):
    """The registry did not answer the question: nothing is known about the image."""

    is_temporary = True


class ImageNotFoundError(RegistryError):
    """The registry answered: there is no such image."""
