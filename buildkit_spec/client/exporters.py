"""What becomes of a result, and where caches come from and go to, by the names on the wire.

Source: ``exporter/containerimage/exptypes/keys.go``; ``client/solve.go``, ``CacheOptionsEntry``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

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

EPOCH = "source-date-epoch"
"""Time of the image and of its history, Unix time in seconds."""

ANNOTATION = "annotation"
"""Goes before the key of an annotation: ``annotation.key``, ``annotation-index.key``."""

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


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One place that build caches come from or go to.

    Attributes:
        kind: ``registry``, ``local``, ``inline``, ``gha``, ``s3`` …
        attrs: Its attributes, by the names on the wire, such as ``ref`` and ``mode``.
    """

    kind: str
    attrs: Mapping[str, str] = field(default_factory=dict)


def image_exporter(
    references: Sequence[Reference],
    *,
    push: bool,
    insecure: bool = False,
    compression: Mapping[str, str] = MappingProxyType({}),
    annotations: Mapping[str, str] = MappingProxyType({}),
    epoch_s: int | None = None,
) -> Exporter:
    """Return the exporter that makes an image, under all of *references*.

    Args:
        references: Names with tags.
        push: Whether to push it to their registries.
        insecure: Whether plain http is allowed for that; loopback always may.
        compression: Attributes about the compression of layers.
        annotations: Of the manifest, by key; or, with ``index:`` before the key, of the index.
        epoch_s: Time of the image, Unix time in seconds; by default that of the build.
    """
    attrs = {NAME: ",".join(map(str, references)), OCI_MEDIA_TYPES: "true"}
    if push:
        attrs[PUSH] = "true"
    if insecure:
        attrs[INSECURE] = "true"
    if epoch_s is not None:
        attrs[EPOCH] = str(epoch_s)
    attrs.update(compression)
    for key, value in annotations.items():
        of, colon, name = key.rpartition(":")
        attrs[f"{ANNOTATION}-{of}.{name}" if colon else f"{ANNOTATION}.{name}"] = value
    return Exporter(IMAGE, attrs)


def needed_capabilities(
    exporter: Exporter,
    frontend_attrs: Mapping[str, str] = MappingProxyType({}),
    caches: Iterable[CacheEntry] = (),
) -> dict[str, str]:
    """Return what a daemon must be able to do for a build, in words, by capability.

    A daemon that has not heard of one would leave the thing out and say nothing.

    Args:
        exporter: What is to become of the result.
        frontend_attrs: The build's; attestations are asked for there.
        caches: Where caches come from and go to.

    Source: ``solver/pb/caps.go``.
    """
    needed = {}
    if any(name.startswith(ANNOTATION) for name in exporter.attrs):
        needed["exporter.image.annotations"] = "annotate images"
    if any(name.startswith("attest:") for name in frontend_attrs):
        needed["exporter.image.attestations"] = "attest what is in an image"
    for entry in caches:
        if entry.kind in {"gha", "s3", "azblob"}:
            needed[f"cache.{entry.kind}"] = f"keep caches of type {entry.kind}"
    return needed
