"""`FileSelection`: the files of a folder that go into an image.

The tag hashes a selection and the session sends it: both see the same list, made once.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from buildkit_spec.errors import SpecError
from buildkit_spec.spec.content_digests import Touched, digests_of, touched
from buildkit_spec.values.entry import Entry

MODE_MASK = 0o755
"""Permission bits that count. Write permission for group and others comes from the umask of whoever
checked the files out, so it is neither hashed nor meant to be sent."""

_STAMP_BYTES = 7  # as nanoseconds, times from 1970 to 1972
_LENGTH = struct.Struct(">Q").pack


class Rule(Protocol):
    """Says which files belong to a selection. Paths are relative, with ``/``."""

    def enters(self, path: str) -> bool:
        """Whether anything below the directory *path* may belong."""

    def takes(self, path: str) -> bool:
        """Whether the file or link *path* belongs, its directory having been entered."""


class SelectedFile(NamedTuple):
    """One entry of a selection.

    Attributes:
        path: Relative to the selection's root, with ``/``.
        kind: What it is; links are never followed.
        mode: Permission bits within `MODE_MASK`; 0 for a link.
        size_bytes: Content length; 0 for directories and links.
        target: Where a link points, as it stands in the link; else empty.
    """

    path: str
    kind: Literal["file", "directory", "symlink"]
    mode: int = 0
    size_bytes: int = 0
    target: str = ""


_KINDS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}


class FileSelection:
    """The files below *root* that *rule* takes, and the directories they are in.

    Directories without such a file do not belong: version control would not bring them to another
    machine. Sockets, pipes and devices never belong.

    The folder is walked once, when first asked about: a selection is what was found then.

    Args:
        root: An existing directory.
        rule: Says which files belong.
    """

    def __init__(self, root: Path, rule: Rule) -> None:
        self.root = root
        self._prefix = os.path.join(root, "")  # noqa: PTH118 - text: pathlib is slow for each file
        self._rule = rule
        self._touched: dict[str, Touched] = {}  # of entries, and of all that was entered
        self._modes: dict[str, int] = {}  # of directories
        self._shared: dict[str, tuple[int, int]] = {}  # files with several names: what they name
        self._digests = digests_of(os.path.abspath(root))  # noqa: PTH100

    def __repr__(self) -> str:
        return f"FileSelection({str(self.root)!r})"

    def files(self) -> list[SelectedFile]:
        """Return every entry, sorted by path; a directory comes before what is in it.

        Raises:
            SpecError: A directory cannot be read, or a name is not UTF-8.
        """
        return list(self._entries.values())

    def is_empty(self) -> bool:
        """Whether nothing belongs; the folder is walked up to the first file that does.

        Raises:
            SpecError: See `files`.
        """
        return next(self._walk(), None) is None

    def found(self) -> Iterator[Entry]:
        """Yield every entry, in the order of `files`, as it was found; modes within `MODE_MASK`.

        As its time an entry has one that is made of what it holds: equal contents, equal times.
        Receivers take equal size and time for equal contents. With real times that is wrong where
        times are set, as by a checkout that gives every file the date of its commit; and it is
        wasteful for fresh checkouts, whose files are the same with other times.

        Raises:
            SpecError: See `files`; or a file cannot be read.
        """
        first_names: dict[tuple[int, int], str] = {}
        for path, entry in self._entries.items():
            then = self._touched[path]
            _, size_bytes, mtime_ns, ctime_ns = then
            mode, link, stamp_ns = _KINDS[entry.kind] | entry.mode, entry.target, 0
            if entry.kind == "file":
                digest = self._content_digest(path, then)
                stamp_ns = int.from_bytes(digest[:_STAMP_BYTES], "big")
                if path in self._shared:
                    first = first_names.setdefault(self._shared[path], path)
                    link = first if first != path else ""
            yield Entry(path, mode, size_bytes, mtime_ns, ctime_ns, link, 0, stamp_ns)

    def is_as_found(self) -> bool:
        """Whether nothing was touched since the folder was walked; looks, and reads no file."""
        prefix, lstat = self._prefix, os.lstat
        try:
            return all(
                touched(lstat(prefix + path)) == then for path, then in self._touched.items()
            )
        except OSError:
            return False

    def digest(self) -> str:
        """Return a sha256 (hex) of paths, kinds, modes, contents and link targets.

        Not of owners and times, and not of the root's own path: the same in any folder. Every
        part is preceded by its length, so no two selections give the same bytes.

        Raises:
            SpecError: A file cannot be read.
        """
        return self._digest

    @cached_property
    def _digest(self) -> str:
        whole = hashlib.sha256()
        for entry in self._entries.values():
            content = b""
            if entry.kind == "file":
                content = self._content_digest(entry.path, self._touched[entry.path])
            kind, path, target = entry.kind.encode(), entry.path.encode(), entry.target.encode()
            mode = b"%o" % entry.mode
            whole.update(
                b"".join(
                    (
                        *(_LENGTH(len(kind)), kind, _LENGTH(len(path)), path),
                        *(_LENGTH(len(mode)), mode, _LENGTH(len(target)), target),
                        *(_LENGTH(len(content)), content),
                    )
                )
            )
        self._digests.save()
        return whole.hexdigest()

    @cached_property
    def _entries(self) -> dict[str, SelectedFile]:
        found = {entry.path: entry for entry in self._walk()}
        for path in list(found):
            parent = path.rpartition("/")[0]
            while parent and parent not in found:
                found[parent] = self._directory(parent)
                parent = parent.rpartition("/")[0]
        # As if by the names on the way: no other character comes before this one.
        return {path: found[path] for path in sorted(found, key=lambda p: p.replace("/", "\0"))}

    def _walk(self) -> Iterator[SelectedFile]:
        pending = [""]
        while pending:
            directory = pending.pop()
            for item in self._listed(directory):
                path = f"{directory}/{item.name}" if directory else item.name
                if item.is_dir(follow_symlinks=False):
                    if self._rule.enters(path):
                        pending.append(path)
                elif self._rule.takes(path) and (entry := self._entry(path, item)):
                    yield entry

    def _listed(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            # Before it is read: what comes later is then seen.
            status = os.stat(self._prefix + directory)  # noqa: PTH116
            self._touched[directory] = touched(status)
            self._modes[directory] = status.st_mode & MODE_MASK
            with os.scandir(self._prefix + directory) as items:
                return list(items)
        except OSError as error:
            raise _unreadable(self._prefix + directory, error) from error

    def _entry(self, path: str, item: os.DirEntry[str]) -> SelectedFile | None:
        try:
            path.encode()
            status = item.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(item.path)  # noqa: PTH115
                target.encode()
                self._touched[path] = touched(status)
                return SelectedFile(path, "symlink", target=target)
        except OSError as error:
            raise _unreadable(item.path, error) from error
        except UnicodeEncodeError as error:
            raise SpecError(
                f"a file name is not UTF-8: {os.fsencode(path)!r} in {self.root}",
                remedy="rename it, or name what it is beside it instead of the whole folder",
            ) from error
        if not stat.S_ISREG(status.st_mode):
            return None
        self._touched[path] = touched(status)
        if status.st_nlink > 1:
            self._shared[path] = (status.st_dev, status.st_ino)
        return SelectedFile(path, "file", status.st_mode & MODE_MASK, status.st_size)

    def _directory(self, path: str) -> SelectedFile:
        return SelectedFile(path, "directory", self._modes[path])

    def _content_digest(self, path: str, then: Touched) -> bytes:
        try:
            return self._digests.of(path, then)
        except OSError as error:
            raise _unreadable(self._prefix + path, error) from error


def _unreadable(path: str, error: OSError) -> SpecError:
    return SpecError(f"cannot read {path.rstrip('/')}: {(error.strerror or str(error)).lower()}")
