"""An image as a registry or a daemon resolved it."""

from __future__ import annotations

from dataclasses import dataclass

from buildkit_spec.values.digest import Digest
from buildkit_spec.values.reference import Reference


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """A reference with the content it stands for, for one platform.

    Attributes:
        reference: As it was asked for, pinned to *digest*.
        digest: Of the manifest or index the reference names.
        config: The image config of the platform asked for: JSON, UTF-8.

    Source: OCI image spec, *Image Configuration*.
    """

    reference: Reference
    digest: Digest
    config: bytes
