"""Trees of everything that a file system may hold, drawn by chance, and what one holds."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from random import Random
from typing import NamedTuple

# Around the sizes of frames, packets and pieces: where a byte would be lost, if one were.
_EDGES = [
    size + near
    for size in (0, 1 << 14, 1 << 15, 1 << 16, 1 << 18, 1 << 19, 1 << 20)
    for near in (-1, 0, 1)
    if size + near >= 0
]
_SMALL_BYTES, _LARGE_BYTES = 8 << 10, 16 << 20
_MODES = (0o644, 0o755, 0o600, 0o400, 0o444, 0o666, 0o4755, 0o2755, 0o1644)
_FOLDER_MODES = (0o755, 0o700, 0o2775, 0o1777, 0o555)
_NAMES = (
    *("a", "B", " ", "-", "--", ".", "..", "~", "#", "!", "*", "?", "[x]", "{a,b}", "\\", "'", '"'),
    *(
        "\n",
        "\t",
        "\x01",
        "\x7f",
        "%2F",
        "a.b",
        "a-b",
        "é",
        "e\u0301",
        "日本語",
        "🙂",
        "$HOME",
        ":",
    ),
    "x" * 240,
)
_TARGETS = ("a", "../..", "/etc/passwd", "nowhere", "./", "a\nb", "日本語", "x" * 1000)


class Node(NamedTuple):
    """What counts of an entry.

    Attributes:
        mode: Kind and permissions, octal.
        size_bytes: Of a file.
        content: SHA-256 of a file, target of a link.
        first: Of a file, the first of its names.
        time_ns: When it was changed.
    """

    mode: str
    size_bytes: int
    content: str
    first: str
    time_ns: int


Told = dict[str, Node]
"""What a tree holds, by path."""


def grow(root: Path, size_bytes: int, chance: Random) -> None:
    """Write about so many bytes: files of many sizes, folders, links, further names, any mode."""
    root.mkdir()
    folders, files = [root], [_file(root / "first", 1, chance)]
    number = 0
    while size_bytes > 0:
        number += 1
        place = chance.choice(folders) / f"{chance.choice(_NAMES)}{number}"
        kind = chance.random()
        if kind < 0.06 and len(place.relative_to(root).parts) < 8:
            place.mkdir()
            folders.append(place)
        elif kind < 0.1:
            place.symlink_to(chance.choice(_TARGETS))
        elif kind < 0.14:
            place.hardlink_to(chance.choice(files))
        else:
            size = _size(chance)
            size_bytes -= size
            files.append(_file(place, size, chance))
    for folder in reversed(folders[1:]):
        folder.chmod(chance.choice(_FOLDER_MODES))
        _set_time(folder, chance)


def _size(chance: Random) -> int:
    kind = chance.random()
    if kind < 0.2:
        return chance.choice(_EDGES)
    most = _SMALL_BYTES if kind < 0.9 else _LARGE_BYTES
    return int(most ** chance.random())  # as many of ten bytes as of ten thousand


def _file(place: Path, size_bytes: int, chance: Random) -> Path:
    place.write_bytes(chance.randbytes(size_bytes))
    place.chmod(chance.choice(_MODES))
    _set_time(place, chance)
    return place


def _set_time(place: Path, chance: Random) -> None:
    time_ns = chance.randrange(2_000_000_000_000_000_000)
    os.utime(place, ns=(time_ns, time_ns))


def told(root: Path) -> Told:
    """Return all that a tree holds."""
    found: Told = {}
    first: dict[tuple[int, int], str] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in sorted(os.scandir(root / folder), key=lambda one: one.name):
            path = f"{folder}/{entry.name}" if folder else entry.name
            status = entry.stat(follow_symlinks=False)
            content, size = "", 0
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif entry.is_symlink():
                content = os.readlink(entry.path)  # noqa: PTH115 - as it is: a path drops "./"
            else:
                with open(entry.path, "rb") as file:  # noqa: PTH123 - of an entry
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                size = status.st_size
            name = path
            if stat.S_ISREG(status.st_mode):
                name = first.setdefault((status.st_dev, status.st_ino), path)
            found[path] = Node(oct(status.st_mode), size, content, name, status.st_mtime_ns)
    return found


def differences(one: Told, other: Told) -> list[str]:
    """What differs between two trees, a line for each path."""
    return [
        f"{path!r}: {one.get(path)} {other.get(path)}"
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    ]
