"""Content digests: ``sha256:<64 hex>``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from buildkit_spec.errors import InvalidDigestError

_FORM = re.compile(r"^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content digest, checked.

    Attributes:
        value: ``algorithm:hex``, lower case.

    Raises:
        InvalidDigestError: The text has another form.

    Source: OCI image spec, *Descriptors*, "Digests".
    """

    value: str

    def __post_init__(self) -> None:
        if not _FORM.match(self.value):
            raise InvalidDigestError(self.value, "must be sha256: and 64 lower-case hex digits")

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the sha256 digest of *data*."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        """The part before the colon."""
        return self.value.partition(":")[0]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self.value.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve hex digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return self.value
