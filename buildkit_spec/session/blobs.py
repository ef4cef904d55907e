"""`BlobStore`: blobs by digest in a directory, laid out as an OCI image layout.

Source: OCI image spec, *Image Layout*; ``client/ociindex``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from buildkit_spec.errors import InvalidDigestError
from buildkit_spec.session._staging import unwritable
from buildkit_spec.values import Digest

_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_NAME = "org.opencontainers.image.ref.name"


class BlobStore:
    """Blobs in one directory; a daemon reads and writes them through `ContentStores`.

    A blob is there as a whole, with the bytes that its digest says, or not at all. Safe to use from
    several threads and processes.

    Args:
        path: The directory; it is made by the first blob.
        is_read_only: Whether a daemon may only read it.
    """

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        self.path = path
        self.is_read_only = is_read_only

    def find(self, digest: str) -> os.stat_result | None:
        """Return the status of a blob; None when it is not there, or the text is no digest."""
        place = self._place(digest)
        try:
            return place.stat() if place is not None else None
        except OSError:
            return None

    def open(self, digest: str) -> BinaryIO:
        """Return a blob for reading.

        Raises:
            OSError: It is not there.
        """
        place = self._place(digest)
        if place is None:
            raise FileNotFoundError
        return place.open("rb")

    @contextlib.contextmanager
    def writing(self) -> Iterator[NewBlob]:
        """Yield a blob to write; it is gone afterwards unless it was committed.

        Raises:
            SessionError: It cannot be written.
        """
        folder = self.path / "ingest"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                try:
                    yield NewBlob(self, file)  # type: ignore[arg-type]
                finally:
                    Path(file.name).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def keep(self, file: Path, digest: Digest) -> None:
        """Move a file to its place; its bytes are those of the digest."""
        place = self._place(str(digest))
        assert place is not None
        place.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o644)
        file.replace(place)

    def tagged(self, tag: str) -> str:
        """Return the digest that a tag stands for; empty when there is none."""
        for entry in self._index().get("manifests", []):
            if isinstance(entry, dict) and (entry.get("annotations") or {}).get(_NAME) == tag:
                return str(entry.get("digest", ""))
        return ""

    def tag(self, descriptor: Mapping[str, Any], tag: str) -> None:
        """Let a tag stand for a blob, and for no other.

        Args:
            descriptor: The blob's. Source: OCI image spec, *Descriptors*.
            tag: The tag.

        Raises:
            SessionError: It cannot be written.
        """
        try:
            with self._locked():
                manifests = [
                    one
                    for one in self._index().get("manifests", [])
                    if (one.get("annotations") or {}).get(_NAME) != tag
                ]
                notes = {**(descriptor.get("annotations") or {}), _NAME: tag}
                manifests.append({**descriptor, "annotations": notes})
                index = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": manifests}
                self._write("oci-layout", {"imageLayoutVersion": "1.0.0"})
                self._write("index.json", index)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _place(self, digest: str) -> Path | None:
        try:
            algorithm, _, name = str(Digest(digest)).partition(":")
        except InvalidDigestError:
            return None
        return self.path / "blobs" / algorithm / name

    def _index(self) -> dict[str, Any]:
        try:
            document = json.loads((self.path / "index.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def _write(self, name: str, document: object) -> None:
        part = self.path / f".{name}.{os.getpid()}"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(self.path / name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others, also in other processes, from changing the index meanwhile."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class NewBlob:
    """A blob that is being written.

    Attributes:
        size_bytes: How much there is of it.
    """

    def __init__(self, store: BlobStore, file: BinaryIO) -> None:
        self._store = store
        self._file = file
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def digest(self) -> Digest:
        """The digest of what there is of it."""
        return Digest(f"sha256:{self._hash.hexdigest()}")

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def restart(self) -> None:
        """Take all of it back."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def commit(self) -> None:
        """Keep it under its digest."""
        self._file.flush()
        self._store.keep(Path(self._file.name), self.digest)
