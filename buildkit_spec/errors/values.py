"""Values that do not have the form they must have."""

from __future__ import annotations

from buildkit_spec.errors.base import BuildkitSpecError


class InvalidValueError(BuildkitSpecError, ValueError):
    """A value does not have the form it must have.

    Attributes:
        value: The text as it was given.
        rule: The rule it breaks.
    """

    noun = "value"

    def __init__(self, value: str, rule: str, *, remedy: str = "") -> None:
        super().__init__(f"invalid {self.noun}: {value!r} ({rule})", remedy=remedy)
        self.value = value
        self.rule = rule


class InvalidReferenceError(InvalidValueError):
    """An image reference breaks the rules of the distribution spec."""

    noun = "image reference"


class InvalidDigestError(InvalidValueError):
    """A digest is not ``algorithm:hex``."""

    noun = "digest"


class InvalidPlatformError(InvalidValueError):
    """A platform is not ``os/architecture[/variant]``."""

    noun = "platform"


class InvalidAddressError(InvalidValueError):
    """A daemon address has an unknown scheme or a missing part."""

    noun = "daemon address"
