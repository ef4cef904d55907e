"""Platforms: ``os/architecture[/variant]``, normalised as containerd normalises them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildkit_spec.errors import InvalidPlatformError

_PART = re.compile(r"^[a-z0-9._-]+$")
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
}
_OS = {"macos": "darwin"}


@dataclass(frozen=True, slots=True)
class Platform:
    """What a container image runs on.

    Attributes:
        os: Operating system as Go spells it, such as ``linux``.
        architecture: As Go spells it, such as ``amd64``.
        variant: Such as ``v7``; empty for the usual one of the architecture.

    Source: containerd ``platforms/platforms.go``; OCI image spec, *Image Index*.
    """

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``linux/amd64``, ``linux/arm/v7``, or an architecture alone (then Linux).

        Raises:
            InvalidPlatformError: The text has another form.
        """
        parts = text.strip().lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(_PART.match(part) for part in parts):
            raise InvalidPlatformError(text, "must be os/architecture[/variant], as linux/amd64")
        if len(parts) == 1:
            parts = ["linux", *parts]
        os = _OS.get(parts[0], parts[0])
        architecture, implied = _ARCHITECTURES.get(parts[1], (parts[1], ""))
        variant = parts[2] if len(parts) == 3 else implied
        if (architecture, variant) in {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}:
            variant = ""
        elif architecture == "arm":
            variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
        return cls(os, architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
