"""Manifests and indexes: what a registry keeps under a tag or digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from buildkit_spec.errors import InvalidDigestError, InvalidPlatformError, RegistryError
from buildkit_spec.values import Digest, Platform

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))
"""What we can read, for ``Accept``; without it registries convert to older forms."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a reference stands for in its registry.

    Attributes:
        digest: Of the manifest or index.
        media_type: One of `INDEX_TYPES` or `MANIFEST_TYPES`.
        size_bytes: Its size; 0 when the registry did not say.

    Source: OCI image spec, *Content Descriptors*.
    """

    digest: Digest
    media_type: str
    size_bytes: int = 0

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests by platform, instead of being one."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index, read.

    Attributes:
        descriptor: What it is.
        platforms: For an index: the manifest of each platform, attestations left out.
        config: For a manifest: digest of the image config.
        entries: For an index: what it lists, attestations too, as it says it.
    """

    descriptor: Descriptor
    platforms: Mapping[Platform, Digest] = field(default_factory=dict)
    config: Digest | None = None
    entries: tuple[Mapping[str, Any], ...] = ()


def parse_manifest(body: bytes, content_type: str, *, name: str) -> Manifest:
    """Read a manifest or index as a registry gave it.

    Args:
        body: The bytes, whose digest is computed.
        content_type: As told; the body's own ``mediaType`` decides where the two differ.
        name: The image, for messages.

    Raises:
        RegistryError: It is neither, or of a kind that no BuildKit makes (Docker schema 1).

    Source: OCI image spec, *Image Manifest* and *Image Index*.
    """
    import json

    try:
        data: Any = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise RegistryError(
            f"what answered for {name} is no registry: it gave "
            f"{'a web page' if content_type == 'text/html' else content_type or 'no media type'}",
            reference=name,
            remedy="check the registry's name and the proxy in front of it",
        )
    media_type = data.get("mediaType") or content_type
    if media_type not in (*INDEX_TYPES, *MANIFEST_TYPES):
        # `mediaType` is optional in OCI; what the document holds says the rest.
        media_type = (
            INDEX_TYPES[0]
            if "manifests" in data
            else MANIFEST_TYPES[0]
            if "config" in data and "layers" in data
            else media_type
        )
    descriptor = Descriptor(Digest.of(body), str(media_type), len(body))
    try:
        if descriptor.is_index:
            entries = tuple(data["manifests"])
            return Manifest(descriptor, platforms=_platforms(data), entries=entries)
        if media_type in MANIFEST_TYPES:
            return Manifest(descriptor, config=Digest(data["config"]["digest"]))
    except (KeyError, TypeError, AttributeError, InvalidDigestError) as error:
        raise RegistryError(
            f"the manifest of {name} breaks the image spec: {error}", reference=name
        ) from error
    raise RegistryError(
        f"the manifest of {name} is of a kind that cannot be used: {media_type}",
        reference=name,
        remedy="push the image again with a current tool",
    )


def join(
    parts: Sequence[tuple[Platform, Manifest]],
    annotations: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return the index of images that were built apart.

    It has the bytes that BuildKit gives the index of one build for all of them: every image first,
    then what attests them.

    Args:
        parts: For each image its platform and its manifest, or the index of it and of what attests
            it.
        annotations: Of the index.

    Source: OCI image spec, *Image Index*; ``exporter/containerimage/writer.go``.
    """
    import json

    images: list[Mapping[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    for platform, manifest in parts:
        if manifest.descriptor.is_index:
            wanted = str(manifest.platforms[platform])
            images += [one for one in manifest.entries if one["digest"] == wanted]
            others += [one for one in manifest.entries if one["digest"] != wanted]
            continue
        one = manifest.descriptor
        images.append(
            {
                "mediaType": one.media_type,
                "digest": str(one.digest),
                "size": one.size_bytes,
                "platform": {
                    "architecture": platform.architecture,
                    "os": platform.os,
                    **({"variant": platform.variant} if platform.variant else {}),
                },
            }
        )
    index: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPES[0],
        "manifests": images + others,
    }
    if annotations:
        index["annotations"] = dict(sorted(annotations.items()))
    return json.dumps(index, indent=2, ensure_ascii=False).encode()


def is_content_of(digest: Digest, body: bytes) -> bool:
    """Whether *body* has the digest *digest*, whichever its algorithm."""
    return hashlib.new(digest.algorithm, body).hexdigest() == digest.hex


def _platforms(data: Mapping[str, Any]) -> dict[Platform, Digest]:
    found: dict[Platform, Digest] = {}
    for entry in data["manifests"]:
        platform = entry.get("platform") or {}
        parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
        try:
            parsed = Platform.parse("/".join(part for part in parts if part))
        except InvalidPlatformError:
            continue
        # BuildKit lists an image's attestations beside it as platform unknown/unknown.
        if parsed.os != "unknown":
            found.setdefault(parsed, Digest(entry["digest"]))
    return found
