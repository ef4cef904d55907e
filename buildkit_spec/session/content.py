"""`ContentStores`: lets a daemon read and write blobs of ours, for caches in a directory.

Source: containerd ``plugins/services/content/contentserver``; ``session/content/attachable.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildkit_spec._pb import content as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.session._call import (
    ALREADY_EXISTS,
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OUT_OF_RANGE,
    PERMISSION_DENIED,
    Call,
    Handler,
    StatusError,
)
from buildkit_spec.session.blobs import BlobStore, NewBlob

_STORE_HEADER = "buildkit-attachable-store-id"
_CHUNK_BYTES = 512 << 10


class ContentStores:
    """Answers ``containerd.services.content.v1.Content``.

    A daemon gets at blobs only whose digest it knows, and at no other file. What it writes is kept
    when it has the digest that was said.

    Args:
        stores: What it may use, by the id that it names: ``local:`` and the cache's ``src`` or
            ``dest``.
    """

    def __init__(self, stores: Mapping[str, BlobStore]) -> None:
        self._stores = dict(stores)

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {
            pb.Content.Info: self._info,
            pb.Content.Read: self._read,
            pb.Content.Write: self._write,
            pb.Content.Status: self._no_ingest,
            pb.Content.Abort: self._no_ingest,
        }

    def _store(self, call: Call[Any, Any]) -> BlobStore:
        name = call.metadata.get(_STORE_HEADER, ("",))[0]
        store = self._stores.get(name)
        if store is None:
            raise StatusError(NOT_FOUND, f"no store {name!r} is shared")
        return store

    def _info(self, call: Call[pb.InfoRequest, pb.InfoResponse]) -> None:
        store = self._store(call)
        for request in call.messages():
            status = store.find(request.digest)
            if status is None:
                raise _absent(request.digest)
            info = pb.Info(digest=request.digest, size=status.st_size)
            info.created_at.seconds = info.updated_at.seconds = int(status.st_mtime)
            call.send(pb.InfoResponse(info=info))
            return

    def _read(self, call: Call[pb.ReadContentRequest, pb.ReadContentResponse]) -> None:
        store = self._store(call)
        for request in call.messages():
            status = store.find(request.digest)
            if status is None:
                raise _absent(request.digest)
            offset, size = max(request.offset, 0), status.st_size
            if offset > size:
                raise StatusError(OUT_OF_RANGE, f"{request.digest} ends at {size}")
            end = min(offset + request.size, size) if request.size > 0 else size
            with store.open(request.digest) as file:
                file.seek(offset)
                while offset < end and (data := file.read(min(end - offset, _CHUNK_BYTES))):
                    call.send(pb.ReadContentResponse(offset=offset, data=data), has_more=True)
                    offset += len(data)
            return

    def _write(self, call: Call[pb.WriteContentRequest, pb.WriteContentResponse]) -> None:
        store = self._store(call)
        if store.is_read_only:
            raise StatusError(PERMISSION_DENIED, "this store is only read")
        expected, total = "", 0
        with store.writing() as blob:
            for request in call.messages():
                expected, total = request.expected or expected, request.total or total
                if request.expected and store.find(request.expected) is not None:
                    raise StatusError(ALREADY_EXISTS, f"{request.expected} is there already")
                if request.action != pb.STAT:
                    _add(blob, request)
                answer = pb.WriteContentResponse(
                    action=request.action,
                    offset=blob.size_bytes,
                    total=total,
                    digest=str(blob.digest),
                )
                if request.action == pb.COMMIT:
                    _check(blob, expected, total)
                    blob.commit()
                    call.send(answer)
                    return
                call.send(answer)

    def _no_ingest(self, call: Call[Any, Any]) -> None:
        """Tell that nothing half-written is kept from one call to the next."""
        self._store(call)
        raise StatusError(NOT_FOUND, "nothing is being written under this name")


def _add(blob: NewBlob, request: pb.WriteContentRequest) -> None:
    if request.offset == 0 and blob.size_bytes:
        blob.restart()
    elif request.offset != blob.size_bytes:
        raise StatusError(OUT_OF_RANGE, f"the blob ends at {blob.size_bytes}")
    if request.data:
        blob.write(request.data)


def _check(blob: NewBlob, expected: str, total: int) -> None:
    if total and blob.size_bytes != total:
        raise StatusError(FAILED_PRECONDITION, f"{blob.size_bytes} bytes came, not {total}")
    if expected and not expected.startswith("sha256:"):
        raise StatusError(INVALID_ARGUMENT, f"{expected!r} is no sha256 digest")
    if expected and str(blob.digest) != expected:
        raise StatusError(FAILED_PRECONDITION, f"what came is {blob.digest}, not {expected}")


def _absent(digest: str) -> StatusError:
    return StatusError(NOT_FOUND, f"{digest[:100]} is not there")
