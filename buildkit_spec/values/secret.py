"""Where a secret comes from. The value is read when the daemon asks, never before."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret in a file.

    Attributes:
        path: The file on this machine.
    """

    path: str


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """A secret in an environment variable.

    Attributes:
        name: The variable on this machine.
    """

    name: str


@dataclass(frozen=True, slots=True)
class BytesSecret:
    """A secret held in memory. Its text form never shows it.

    Attributes:
        data: The bytes.
    """

    data: bytes = field(repr=False)


SecretSource = FileSecret | EnvSecret | BytesSecret
"""Any of the three."""
