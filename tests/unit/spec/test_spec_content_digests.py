"""`ContentDigests`: what is remembered of files, and when it is believed."""

from __future__ import annotations

import email
import hashlib
import json
import os
from pathlib import Path

import pytest

from buildkit_spec.spec import FileSelection
from buildkit_spec.spec.content_digests import ContentDigests, digests_of, touched
from buildkit_spec.spec.rules import NamedPaths

SETTLED = Path(email.__file__).parent  # files that nobody has touched for a while
OTHER = "00" * 32


def digest(digests: ContentDigests, folder: Path, path: str) -> bytes:
    return digests.of(path, touched((folder / path).lstat()))


def remembered(folder: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digest a folder's files, as if there were many, and return the names remembered."""
    monkeypatch.setattr("buildkit_spec.spec.content_digests._WORTH_FILES", 1)
    digests = ContentDigests(str(folder), memory)
    for file in sorted(folder.glob("*.py")):
        digest(digests, folder, file.name)
    digests.save()
    return sorted(json.loads(memory.read_text())["files"])


def replace(memory: Path, path: str, index: int, value: object) -> None:
    whole = json.loads(memory.read_text())
    whole["files"][path][index] = value
    memory.write_text(json.dumps(whole))


def test_another_process_takes_what_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was not touched since is not read again."""
    memory = tmp_path / "memory.json"
    assert "parser.py" in remembered(SETTLED, memory, monkeypatch)
    replace(memory, "parser.py", 4, OTHER)
    assert digest(ContentDigests(str(SETTLED), memory), SETTLED, "parser.py").hex() == OTHER


@pytest.mark.parametrize("index", range(4))
def test_a_touched_file_is_read_again(
    index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another inode, size, modification time or change time means another content."""
    memory = tmp_path / "memory.json"
    remembered(SETTLED, memory, monkeypatch)
    replace(memory, "parser.py", 4, OTHER)
    replace(memory, "parser.py", index, 1)
    found = digest(ContentDigests(str(SETTLED), memory), SETTLED, "parser.py")
    assert found == hashlib.sha256((SETTLED / "parser.py").read_bytes()).digest()


def test_a_file_written_a_moment_ago_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be written again within one tick of the clock, which its times would not show."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "fresh.py").write_text("new")
    assert remembered(folder, tmp_path / "memory.json", monkeypatch) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "folder": "FOLDER", "files": {"parser.py": 3}}',
        b'{"version": 1, "folder": "FOLDER", "files": {"parser.py": []}}',
        b'{"version": 1, "folder": "FOLDER", "files": {"parser.py": [1, 2, 3, 4, "no hex"]}}',
        b'{"version": 2, "folder": "FOLDER", "files": {}}',
    ],
)
def test_a_damaged_memory_is_as_none(content: bytes, tmp_path: Path) -> None:
    """What cannot be read costs time, and nothing else."""
    memory = tmp_path / "memory.json"
    memory.write_bytes(content.replace(b"FOLDER", os.fsencode(SETTLED)))
    found = digest(ContentDigests(str(SETTLED), memory), SETTLED, "parser.py")
    assert found == hashlib.sha256((SETTLED / "parser.py").read_bytes()).digest()


def test_a_damaged_digest_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is 32 bytes."""
    memory = tmp_path / "memory.json"
    remembered(SETTLED, memory, monkeypatch)
    for damaged in ("00", "no hex", 7, None):
        replace(memory, "parser.py", 4, damaged)
        found = digest(ContentDigests(str(SETTLED), memory), SETTLED, "parser.py")
        assert found == hashlib.sha256((SETTLED / "parser.py").read_bytes()).digest()


def test_nothing_is_remembered_where_others_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may write there could say what our files hold."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digests_of(str(SETTLED))
    (folder,) = (tmp_path / "buildkit-spec").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    monkeypatch.setattr("buildkit_spec.spec.content_digests._WORTH_FILES", 1)
    FileSelection(SETTLED, NamedPaths(["."])).digest()
    assert not list(folder.iterdir())


def test_a_place_that_cannot_be_written_does_not_fail_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remembering is never worth an error."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("buildkit_spec.spec.content_digests._WORTH_FILES", 1)
    assert FileSelection(SETTLED, NamedPaths(["."])).digest()


def test_a_few_files_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is hashed in a moment is not worth a file in the user's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    FileSelection(SETTLED, NamedPaths(["parser.py"])).digest()
    (folder,) = (tmp_path / "buildkit-spec").iterdir()
    assert not list(folder.iterdir())


def test_memories_of_folders_long_unused_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder does not grow for ever."""
    old, recent = tmp_path / "old.json", tmp_path / "recent.json"
    old.touch()
    recent.touch()
    month_s = 31 * 24 * 3600
    os.utime(old, (old.stat().st_mtime - month_s,) * 2)
    remembered(SETTLED, tmp_path / "memory.json", monkeypatch)
    assert not old.exists()
    assert recent.exists()
