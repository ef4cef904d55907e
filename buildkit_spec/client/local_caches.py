"""`LocalCaches`: caches in directories of this machine, which the session serves to the daemon."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from buildkit_spec.client.exporters import CacheEntry
from buildkit_spec.session import BlobStore, ContentStores

_TAG = "latest"
_MANIFEST = "cache.manifest"
"""In the answer: descriptor of the cache's manifest. Source: ``cache/remotecache/export.go``."""


class LocalCaches:
    """The local caches of one spec.

    Args:
        root: Where relative paths start.
        sources: Attributes of where caches come from; those of other types are passed over.
        targets: Likewise, where they go to.
        compression: Attributes about the compression of layers: those of the image, which is else
            another one when it is built from the cache.
    """

    def __init__(
        self,
        root: Path,
        sources: Iterable[Mapping[str, str]],
        targets: Iterable[Mapping[str, str]],
        compression: Mapping[str, str],
    ) -> None:
        self._stores: dict[str, BlobStore] = {}
        self._tags: list[tuple[BlobStore, str]] = []
        self._compression = compression
        for entry in targets:
            if entry["type"] == "local":
                store = BlobStore(root / entry["dest"])
                self._stores[entry["dest"]] = store
                self._tags.append((store, entry.get("tag", _TAG)))
        for entry in sources:
            if entry["type"] == "local":
                store = BlobStore(root / entry["src"], is_read_only=True)
                self._stores.setdefault(entry["src"], store)

    def attachables(self) -> tuple[ContentStores, ...]:
        """Return what serves them in the build's session."""
        stores = {f"local:{name}": store for name, store in self._stores.items()}
        return (ContentStores(stores),) if stores else ()

    def entry(self, attrs: Mapping[str, str]) -> CacheEntry | None:
        """Return a cache as it goes to the daemon; None when nothing is in it yet.

        Args:
            attrs: Its attributes; those of a source have ``src``.
        """
        wire = {key: value for key, value in attrs.items() if key not in {"type", "tag"}}
        if "src" in attrs and "digest" not in attrs:
            wire["digest"] = self._stores[attrs["src"]].tagged(attrs.get("tag", _TAG))
            if not wire["digest"]:
                return None
        if "dest" in attrs and "compression" not in attrs:
            wire |= self._compression
        return CacheEntry("local", wire)

    def finish(self, answers: Mapping[str, str]) -> None:
        """Let the caches' tags stand for what was exported.

        Args:
            answers: What the exporters answered.

        Raises:
            SessionError: It cannot be written down.
        """
        try:
            descriptor = json.loads(answers.get(_MANIFEST, ""))
        except ValueError:
            return
        if not isinstance(descriptor, dict):
            return
        for store, tag in self._tags:
            if store.find(str(descriptor.get("digest"))) is not None:
                store.tag(descriptor, tag)
