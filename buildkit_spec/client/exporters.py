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

BY_DIGEST = "push-by-digest"
"""``true``: push without a tag; its names have none then."""

UNPACK = "unpack"
"""``true``: unpack after creating, where the daemon runs containers too."""

OCI_MEDIA_TYPES = "oci-mediatypes"
"""``true``: OCI media types, not Docker's."""

EPOCH = "source-date-epoch"
"""Time of the image and of its history, Unix time in seconds."""

ANNOTATION = "annotation"
"""Goes before the key of an annotation: ``annotation.key``, ``annotation-index.key``."""

DIGEST = "containerimage.digest"
"""In the answer: digest of the manifest or index."""

MULTIPLE = "exporter.multiple"
"""Capability: several exporters in one build. Source: ``solver/pb/caps.go``."""


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
    attrs: Mapping[str, str] = field(default_factory=dict, repr=False)  # logins among them


def image_exporter(
    references: Sequence[Reference],
    *,
    push: bool,
    insecure: bool = False,
    compression: Mapping[str, str] = MappingProxyType({}),
    annotations: Mapping[str, str] = MappingProxyType({}),
    epoch_s: int | None = None,
    kind: str = IMAGE,
    attrs: Mapping[str, str] = MappingProxyType({}),
) -> Exporter:
    """Return the exporter that makes an image, under all of *references*.

    Args:
        references: Names with tags.
        push: Whether to push it to their registries.
        insecure: Whether plain http is allowed for that; loopback always may.
        compression: Attributes about the compression of layers.
        annotations: Of the manifest, by key; or, with ``index:`` before the key, of the index.
        epoch_s: Time of the image, Unix time in seconds; by default that of the build.
        kind: Where it goes: ``image``, ``oci``, ``docker``.
        attrs: Further attributes, by the names on the wire; these have the last word.
    """
    made = {NAME: ",".join(map(str, references)), OCI_MEDIA_TYPES: "true"}
    if push:
        made[PUSH] = "true"
    if insecure:
        made[INSECURE] = "true"
    if epoch_s is not None:
        made[EPOCH] = str(epoch_s)
    made.update(compression)
    for key, value in annotations.items():
        of, colon, name = key.rpartition(":")
        made[f"{ANNOTATION}-{of}.{name}" if colon else f"{ANNOTATION}.{name}"] = value
    return Exporter(kind, {**made, **attrs})


def needed_capabilities(
    exporters: Sequence[Exporter],
    frontend_attrs: Mapping[str, str] = MappingProxyType({}),
    caches: Iterable[CacheEntry] = (),
) -> dict[str, str]:
    """Return what a daemon must be able to do for a build, in words, by capability.

    A daemon that has not heard of one would leave the thing out and say nothing.

    Args:
        exporters: What is to become of the result.
        frontend_attrs: The build's; attestations are asked for there.
        caches: Where caches come from and go to.

    Source: ``solver/pb/caps.go``.
    """
    needed = {}
    if len(exporters) > 1:
        needed[MULTIPLE] = "put a result out in several ways at once"
    if any(name.startswith(ANNOTATION) for exporter in exporters for name in exporter.attrs):
        needed["exporter.image.annotations"] = "annotate images"
    if any(name.startswith("attest:") for name in frontend_attrs):
        needed["exporter.image.attestations"] = "attest what is in an image"
    for entry in caches:
        if entry.kind in {"gha", "s3", "azblob"}:
            needed[f"cache.{entry.kind}"] = f"keep caches of type {entry.kind}"
    return needed
