"""What cannot be served back to the daemon."""

from __future__ import annotations

from buildkit_spec.errors.base import BuildkitSpecError


class SessionError(BuildkitSpecError):
    """What we serve back to the daemon cannot be served."""


class SecretNotFoundError(SessionError, LookupError):
    """A secret has no source.

    Attributes:
        id: The secret's id.
    """

    def __init__(self, message: str, *, id: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.id = id


class SecretTooLargeError(SessionError, ValueError):
    """A secret is larger than a daemon takes.

    Attributes:
        id: The secret's id.
        size_bytes: Its size.
        limit_bytes: The daemon's limit.
    """

    def __init__(self, *, id: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"secret {id!r} is too large: {size_bytes} bytes (a daemon takes {limit_bytes})",
            remedy="mount a token or a key, and fetch the rest in the build",
        )
        self.id = id
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class FileChangedError(SessionError):
    """A file changed while it was being sent.

    Attributes:
        path: The file, relative to the shared directory.
    """

    is_temporary = True

    def __init__(self, message: str, *, path: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path
