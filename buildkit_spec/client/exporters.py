"""What becomes of a result: exporters and their attributes, by the names on the wire.

Source: ``exporter/containerimage/exptypes/keys.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from buildkit_spec.values import Reference

IMAGE = "image"
"""Type of the exporter that stores an image, and pushes it when asked."""

NAME = "name"
"""Image names, joined with commas."""

PUSH = "push"
"""``true``: push after creating."""

INSECURE = "registry.insecure"
"""``true``: plain http, and unverified TLS, are allowed."""

OCI_MEDIA_TYPES = "oci-mediatypes"
"""``true``: OCI media types, not Docker's."""

STORE = "store"
"""``false``: do not keep the image in the daemon's own store."""

DIGEST = "containerimage.digest"
"""In the answer: digest of the manifest or index."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One exporter.

    Attributes:
        kind: ``image``, ``oci``, ``docker``, ``local``, ``tar`` …
        attrs: Its attributes, by the names on the wire.
    """

    kind: str
    attrs: Mapping[str, str] = field(default_factory=dict)


def image_exporter(
    references: Sequence[Reference], *, push: bool, insecure: bool = False
) -> Exporter:
    """Return the exporter that makes an image, under all of *references*.

    Args:
        references: Names with tags.
        push: Whether to push it to their registries.
        insecure: Whether plain http is allowed for that; loopback always may.
    """
    attrs = {NAME: ",".join(map(str, references)), OCI_MEDIA_TYPES: "true"}
    if push:
        attrs[PUSH] = "true"
    if insecure:
        attrs[INSECURE] = "true"
    return Exporter(IMAGE, attrs)
