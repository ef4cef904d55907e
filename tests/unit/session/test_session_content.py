"""Blobs that a daemon reads and writes: whole, with their digest, and nothing else of the disk."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_peer import Served

from buildkit_spec._pb import content as pb
from buildkit_spec.session import BlobStore, ContentStores

Serve = Callable[..., Served]
HEADERS = (("buildkit-attachable-store-id", "local:cache"),)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


@pytest.fixture(name="served")
def _served(serve: Serve, store: BlobStore) -> Served:
    return serve(ContentStores({"local:cache": store}))


def write(served: Served, *requests: pb.WriteContentRequest) -> list[pb.WriteContentResponse]:
    return list(served.stream(pb.Content.Write, iter(requests), metadata=HEADERS))


def put(served: Served, data: bytes) -> list[pb.WriteContentResponse]:
    """Write a blob as a daemon does: it asks, writes in pieces, and commits."""
    first = pb.WriteContentRequest(ref="r", expected=digest(data), total=len(data))
    pieces = [
        pb.WriteContentRequest(action=pb.WRITE, offset=start, data=data[start : start + 100_000])
        for start in range(0, len(data), 100_000)
    ]
    last = pb.WriteContentRequest(
        action=pb.COMMIT, offset=len(data), total=len(data), expected=digest(data)
    )
    return write(served, first, *pieces, last)


def read(served: Served, name: str, offset: int = 0, size: int = 0) -> bytes:
    call = served.channel.unary_stream(
        pb.Content.Read.path,
        request_serializer=pb.ReadContentRequest.SerializeToString,
        response_deserializer=pb.ReadContentResponse.FromString,
    )
    request = pb.ReadContentRequest(digest=name, offset=offset, size=size)
    pieces = list(call(request, timeout=20, metadata=HEADERS))
    position = offset
    for piece in pieces:
        assert piece.offset == position
        position += len(piece.data)
    return b"".join(piece.data for piece in pieces)


def test_blob_is_written_and_read(served: Served, store: BlobStore) -> None:
    """In pieces, and from any place in it; the answers tell how far it is."""
    data = os.urandom(1_500_000)
    answers = put(served, data)
    info = served.unary(pb.Content.Info, pb.InfoRequest(digest=digest(data)), metadata=HEADERS)

    assert [one.offset for one in answers][:3] == [0, 100_000, 200_000]
    assert (answers[-1].offset, answers[-1].digest) == (len(data), digest(data))
    assert (info.info.digest, info.info.size) == (digest(data), len(data))
    assert read(served, digest(data)) == data
    assert read(served, digest(data), 700_000, 900) == data[700_000:700_900]
    assert read(served, digest(data), 1_499_999, 100) == data[-1:]
    assert read(served, digest(data), len(data)) == b""
    assert served.failures == []
    assert list((store.path / "ingest").iterdir()) == []


def test_blob_that_is_there_is_not_written_again(served: Served) -> None:
    """The daemon is told at once, and sends nothing."""
    put(served, b"data")
    with pytest.raises(grpc.RpcError) as caught:
        write(served, pb.WriteContentRequest(ref="r", expected=digest(b"data")))

    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        (
            [pb.WriteContentRequest(action=pb.COMMIT, data=b"x", expected=digest(b"y"))],
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
        (
            [pb.WriteContentRequest(action=pb.COMMIT, data=b"x", total=2)],
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
        (
            [pb.WriteContentRequest(action=pb.COMMIT, data=b"x", expected="../../x")],
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            [pb.WriteContentRequest(action=pb.WRITE, data=b"x", offset=7)],
            grpc.StatusCode.OUT_OF_RANGE,
        ),
    ],
    ids=["other digest", "other size", "no digest", "gap"],
)
def test_blob_that_is_another_is_not_kept(
    served: Served,
    store: BlobStore,
    requests: Sequence[pb.WriteContentRequest],
    code: grpc.StatusCode,
) -> None:
    """What lies under a digest has that digest."""
    with pytest.raises(grpc.RpcError) as caught:
        write(served, *requests)

    assert caught.value.code() is code
    assert [one for one in store.path.rglob("*") if one.is_file()] == []


def test_writing_begins_again(served: Served) -> None:
    """From the first byte, when the daemon says so."""
    write(
        served,
        pb.WriteContentRequest(action=pb.WRITE, data=b"wrong"),
        pb.WriteContentRequest(action=pb.WRITE, data=b"right"),
        pb.WriteContentRequest(action=pb.COMMIT, offset=5, expected=digest(b"right")),
    )

    assert read(served, digest(b"right")) == b"right"


def test_store_that_is_only_read_is_not_written(serve: Serve, store: BlobStore) -> None:
    """A cache that a build comes from is not the daemon's to change."""
    served = serve(ContentStores({"local:cache": BlobStore(store.path, is_read_only=True)}))
    with pytest.raises(grpc.RpcError) as caught:
        put(served, b"data")

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not store.path.exists()


def test_half_of_a_blob_is_forgotten(served: Served, store: BlobStore) -> None:
    """A daemon that goes away leaves nothing; it is told so when it asks."""
    write(served, pb.WriteContentRequest(action=pb.WRITE, data=b"half"))
    with pytest.raises(grpc.RpcError) as caught:
        served.unary(pb.Content.Status, pb.StatusRequest(ref="r"), metadata=HEADERS)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert [one for one in store.path.rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("name", ["", "export", "local:other", "local:cache/../.."])
def test_other_stores_are_not_shared(served: Served, name: str) -> None:
    """Only what the build names is."""
    put(served, b"data")
    with pytest.raises(grpc.RpcError) as caught:
        served.unary(
            pb.Content.Info,
            pb.InfoRequest(digest=digest(b"data")),
            metadata=(("buildkit-attachable-store-id", name),),
        )

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "name",
    ["", "sha256:", "../../secret", "sha256:../../../secret", "/etc/passwd", "index.json", "a\0b"],
)
def test_only_digests_are_read(served: Served, store: BlobStore, name: str) -> None:
    """No path leads out of the blobs, nor to the index beside them."""
    put(served, b"data")
    (store.path.parent / "secret").write_text("secret")
    with pytest.raises(grpc.RpcError) as caught:
        read(served, name)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert store.find(name) is None


@given(st.text())
def test_no_text_but_a_digest_finds_anything(text: str) -> None:
    """Not even the directory itself."""
    assert BlobStore(Path(__file__).parent).find(text) is None


def test_tag_stands_for_one_blob(store: BlobStore) -> None:
    """The last that it was given; other tags stay; it is an image layout for other tools."""
    store.path.mkdir()
    for tag, name in (("latest", "1"), ("other", "2"), ("latest", "3")):
        store.tag({"mediaType": "m", "digest": f"sha256:{name * 64}", "size": 1}, tag)

    assert store.tagged("latest") == "sha256:" + "3" * 64
    assert store.tagged("other") == "sha256:" + "2" * 64
    assert store.tagged("none") == ""
    assert len(json.loads((store.path / "index.json").read_text())["manifests"]) == 2
    assert json.loads((store.path / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"manifests": [1, {"digest": 2}]}'])
def test_index_that_is_none_has_no_tags(store: BlobStore, text: str) -> None:
    """A broken cache is an empty one."""
    store.path.mkdir()
    (store.path / "index.json").write_text(text)

    assert store.tagged("latest") == ""


def test_tags_of_builds_at_once_are_all_kept(store: BlobStore) -> None:
    """Each waits for the other to have written the index."""
    store.path.mkdir()
    threads = [
        threading.Thread(
            target=store.tag, args=({"digest": f"sha256:{number:064x}", "size": 1}, str(number))
        )
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(store.tagged(str(number)) == f"sha256:{number:064x}" for number in range(16))
