"""A build record as one file: an OCI image layout in a gzipped tar, as Docker's tools import it.

The record is the manifest's config; trace, logs, attestations, the image's own manifest and the
error are its layers. Source: buildx ``util/desktop/bundle/export.go``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from google.protobuf.message import Message

from buildkit_spec.client.history import Blob, BuildRecord, History, decode_build
from buildkit_spec.errors import InvalidValueError

if TYPE_CHECKING:
    from buildkit_spec._pb import control as pb

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_RECORD = "application/vnd.buildkit.historyrecord.v0"
_KEPT_MEDIA_TYPE = "vnd.export-build.descriptor.mediatype"
_SECRET = re.compile(
    rb"(?i)(ghtoken|token|access_key_id|secret_access_key|session_token)=[^ ,\"\\]+"
    rb"|(?:ghu|ghs)_[A-Za-z0-9]{36}|github_pat_\w{82}"
)
"""Logins of caches, which a trace may hold in the options of the build."""


def export_record(history: History, build: BuildRecord, file: BinaryIO) -> None:
    """Write all that a daemon keeps of a build.

    Args:
        history: The daemon's.
        build: The build.
        file: Where to.

    Raises:
        InvalidValueError: The build still runs.
        SolveError: The daemon has something of it no more.
        DaemonError: The daemon went away.
        OSError: It cannot be written.
    """
    if build.completed is None:
        raise InvalidValueError(build.ref, "the build still runs")
    history.finish(build)
    (record,) = history.raw_records(build.ref)
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        writer = _Layout(archive)
        layers = [_layer(history, writer, blob, record) for blob in decode_build(record).blobs]
        record.FrontendAttrs.pop("cache-imports", None)
        config = writer.blob(_RECORD, _json(_plain(record)))
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": config,
            "layers": layers,
        }
        writer.finish(writer.blob(_MANIFEST, _json(manifest)))


class _Layout:
    """An image layout that is being written. Source: OCI image spec, *Image Layout*."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._written: set[str] = set()

    def blob(self, media_type: str, data: bytes) -> dict[str, Any]:
        """Write a blob, and return its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._written:
            self._add(f"blobs/sha256/{digest}", data)
            self._written.add(digest)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write what points to the rest."""
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [manifest]}
        self._add("index.json", _json(index))
        self._add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self._archive.addfile(entry, io.BytesIO(data))


def _layer(
    history: History, writer: _Layout, blob: Blob, record: pb.BuildHistoryRecord
) -> dict[str, Any]:
    data = b"".join(history.read(blob.digest))
    if blob.role == "trace":
        data = _SECRET.sub(lambda found: (found[1] + b"=" if found[1] else b"") + b"xxxxx", data)
    # The image's layers are not here: nobody is to look for what its manifest names.
    is_result = blob.role == "result"
    layer = writer.blob("application/json" if is_result else blob.media_type, data)
    notes = dict(blob.annotations)
    if is_result:
        notes[_KEPT_MEDIA_TYPE] = blob.media_type
    if notes:
        layer["annotations"] = notes
    if blob.role == "trace":
        record.trace.digest, record.trace.size = layer["digest"], layer["size"]
    return layer


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    """Return a message as Go's encoding/json writes it: its fields' own names, no empty ones."""
    if isinstance(value, Message):
        return {one.name: _plain(found) for one, found in value.ListFields()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "items"):
        return {str(key): _plain(found) for key, found in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(found) for found in value]
    return value
