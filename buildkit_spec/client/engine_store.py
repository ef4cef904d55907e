"""What becomes of a result on a Docker Engine without the containerd image store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildkit_spec.client.address import Address
from buildkit_spec.client.exporters import NAME, CacheEntry, Exporter
from buildkit_spec.errors import UnsupportedCapabilityError

MOBY = "moby"
"""Type of the exporter that puts an image into the Engine. Source: moby ``builder-next``."""

COMPRESSION, GZIP = "compression", "gzip"
"""Attribute of the image exporter, and what the Engine's own push makes of every layer."""

ESTARGZ = "estargz"
"""Value of that attribute."""

STORE = "containerd-snapshotter"
"""The Engine's feature that such an Engine has not, as its ``daemon.json`` spells it."""

STORE_REMEDY = (
    f'turn its store on, {{"features": {{"{STORE}": true}}}} in its daemon.json (Engine 20.10 has'
    " none), or build on a buildkitd"
)


def refuse_deadly(exporter: Exporter, address: Address) -> None:
    """Refuse what ends some Docker Engines, with all containers and builds on them.

    No daemon tells whether it is one of those that panic on estargz: they are built with Go 1.27
    or later. A buildkitd of its own takes nothing but builds with it.

    Args:
        exporter: What is to become of the result.
        address: The Engine's, for messages.

    Raises:
        UnsupportedCapabilityError: The layers are to be estargz.

    Source: https://github.com/containerd/stargz-snapshotter/issues/2330
    """
    if exporter.attrs.get(COMPRESSION) == ESTARGZ:
        raise UnsupportedCapabilityError(
            f"the Docker Engine at {address} is not asked for {ESTARGZ}: some Engines crash on it",
            capability=ESTARGZ,
            remedy="build on a buildkitd, or write compression: zstd",
        )


def engine_exporter(
    exporter: Exporter,
    address: Address,
    *,
    platform_count: int = 1,
    frontend_attrs: Mapping[str, str] | None = None,
    cache_exports: Sequence[CacheEntry] = (),
) -> Exporter:
    """Return the exporter that puts an image into the Engine, under the names of *exporter*.

    Args:
        exporter: What would make the image elsewhere: `image_exporter`.
        address: The Engine's, for messages.
        platform_count: How many platforms the image is for.
        frontend_attrs: The build's; attestations are asked for there.
        cache_exports: The build's.

    Raises:
        UnsupportedCapabilityError: The build asks for what such an Engine cannot make; all of it.
    """
    lacks = ["an image for several platforms"] if platform_count > 1 else []
    if any(key.startswith("attest:") for key in frontend_attrs or ()):
        lacks.append("attestations")
    if any(key.startswith("annotation") for key in exporter.attrs):
        lacks.append("annotations")
    if (compression := exporter.attrs.get(COMPRESSION, GZIP)) != GZIP:
        lacks.append(f"layers compressed with {compression}")
    if any(entry.kind != "inline" for entry in cache_exports):
        lacks.append("a cache elsewhere")
    if lacks:
        raise UnsupportedCapabilityError(
            f"the Docker Engine at {address} cannot make {', '.join(lacks)}:"
            " it has no containerd image store",
            capability=STORE,
            remedy=STORE_REMEDY,
        )
    return Exporter(MOBY, {NAME: exporter.attrs[NAME]})
