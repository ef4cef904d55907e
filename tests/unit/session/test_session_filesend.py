"""Results come back as bytes, each into the file of its exporter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import grpc
import pytest
from session_peer import TIMEOUT_S, Served

from buildkit_spec._pb import filesync as pb
from buildkit_spec.errors import SessionError
from buildkit_spec.session import FileSend
from buildkit_spec.session.filesend import Target


def _to(path: Path) -> Target:
    return lambda said: path.open("wb")


def _send(served: Served, *chunks: bytes, **headers: str) -> list[bytes]:
    metadata = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    requests = (pb.BytesMessage(data=chunk) for chunk in chunks)
    return [one.data for one in served.stream(pb.FileSend.DiffCopy, requests, metadata=metadata)]


def test_result_is_written_in_order(serve: Callable[..., Served], tmp_path: Path) -> None:
    """Many chunks, some larger than a window, make one file; nothing is answered but OK."""
    served = serve(FileSend({0: _to(tmp_path / "out")}))
    chunks = [bytes([number]) * (3 << 20) for number in range(4)] + [b"", b"end"]

    assert _send(served, *chunks, buildkit_attachable_exporter_id="0") == []
    assert (tmp_path / "out").read_bytes() == b"".join(chunks)
    assert served.failures == []


def test_result_goes_to_the_file_of_its_exporter(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """The number tells them apart; a daemon that gives none means the first."""
    served = serve(FileSend({number: _to(tmp_path / str(number)) for number in (0, 1)}))
    _send(served, b"second", buildkit_attachable_exporter_id="1")
    _send(served, b"first")

    assert (tmp_path / "0").read_bytes() == b"first"
    assert (tmp_path / "1").read_bytes() == b"second"


def test_result_comes_with_what_the_exporter_says(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """Only the exporter's own headers are passed on, without their prefix."""
    heard: list[Mapping[str, str]] = []

    def target(said: Mapping[str, str]) -> BinaryIO:
        heard.append(said)
        return (tmp_path / "out").open("wb")

    digest = {"exporter-md-containerimage.digest": "sha256:ab"}
    _send(serve(FileSend({0: target})), b"x", **digest)

    assert heard == [{"containerimage.digest": "sha256:ab"}]


@pytest.mark.parametrize("index", ["1", "-1", "x", ""])
def test_result_nobody_wants_is_refused(
    serve: Callable[..., Served], tmp_path: Path, index: str
) -> None:
    """A strange number never reaches another exporter's file."""
    served = serve(FileSend({0: _to(tmp_path / "out")}))

    with pytest.raises(grpc.RpcError) as caught:
        _send(served, b"x", buildkit_attachable_exporter_id=index)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert not (tmp_path / "out").exists()


def test_result_that_cannot_be_written_is_a_failure_with_a_remedy(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """No directory, and a full disk that shows only when the file is closed."""
    served = serve(FileSend({0: _to(tmp_path / "none" / "out"), 1: _to(Path("/dev/full"))}))
    for index in ("0", "1"):
        with pytest.raises(grpc.RpcError):
            _send(served, b"x", buildkit_attachable_exporter_id=index)

    nowhere, full = served.failures
    assert isinstance(nowhere, SessionError)
    assert str(tmp_path / "none" / "out") in nowhere.message
    assert "no space left on device" in full.message
    assert "space" in full.remedy


def test_result_cut_off_closes_its_file(serve: Callable[..., Served], tmp_path: Path) -> None:
    """A build that is cancelled leaves no open file, and is no failure of the session."""
    opened: list[BinaryIO] = []

    def target(said: Mapping[str, str]) -> BinaryIO:
        opened.append((tmp_path / "out").open("wb"))
        return opened[0]

    served = serve(FileSend({0: target}))
    is_over = threading.Event()

    def unfinished() -> Iterator[pb.BytesMessage]:
        yield pb.BytesMessage(data=b"x")
        is_over.wait(TIMEOUT_S)

    stream = served.stream(pb.FileSend.DiffCopy, unfinished())
    _wait(lambda: bool(opened))
    stream.cancel()
    _wait(lambda: opened[0].closed)
    is_over.set()

    assert served.failures == []


def _wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)
