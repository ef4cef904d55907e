"""Archives take their place when all went well, and until then the old one is there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from buildkit_spec.errors import SessionError
from buildkit_spec.session import ArchiveFile, StatusError


def write(path: Path, data: bytes, *, is_kept: bool = True) -> None:
    archive = ArchiveFile(path)
    with archive.open({}) as file:
        file.write(data)
    if is_kept:
        archive.commit()
    archive.discard()


def test_archive_replaces_the_old_one_at_once(tmp_path: Path) -> None:
    """Whoever reads the old one meanwhile goes on reading it; nothing else is left."""
    path = tmp_path / "a.tar"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write(path, b"new")
        assert reader.read() == b"old"

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_archive_that_is_not_kept_leaves_the_old_one(tmp_path: Path) -> None:
    """And no part of the new one, in a new place neither."""
    path = tmp_path / "a.tar"
    path.write_bytes(b"old")
    write(path, b"new", is_kept=False)
    write(tmp_path / "b.tar", b"new", is_kept=False)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_archive_keeps_the_mode_of_the_old_one(tmp_path: Path) -> None:
    """What others could not read they still cannot; a new one has the usual mode."""
    path, usual = tmp_path / "a.tar", tmp_path / "usual"
    path.touch(0o600)
    usual.touch()
    for one in (path, tmp_path / "b.tar"):
        write(one, b"new")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "b.tar").stat().st_mode == usual.stat().st_mode


def test_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    """As when a program writes to it."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", b"new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_is_no_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    """A device is not replaced by a file, and a pipe gets the bytes."""
    write(Path(os.devnull), b"new")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)

    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_result_comes_once(tmp_path: Path) -> None:
    """A daemon that sends it again does not write into what is there."""
    archive = ArchiveFile(tmp_path / "a.tar")
    archive.open({}).close()
    with pytest.raises(StatusError):
        archive.open({})
    archive.discard()


@pytest.mark.parametrize("name", ["none/a.tar", "file/a.tar", "."])
def test_place_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    """At once, with the path and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="cannot write to") as caught:
        ArchiveFile(tmp_path / name)

    assert caught.value.remedy


def test_long_name_is_possible(tmp_path: Path) -> None:
    """As long as the file system takes: the part beside it is no longer."""
    write(tmp_path / ("x" * 250), b"new")

    assert [one.name for one in tmp_path.iterdir()] == ["x" * 250]
