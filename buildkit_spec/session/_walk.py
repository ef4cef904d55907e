"""A directory tree as the daemon may see it: walked and opened by directory descriptors only.

Every step down is an ``openat`` that refuses symlinks, so that neither a link nor a directory that
is swapped for one in the middle leads outside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from buildkit_spec.errors import SessionError
from buildkit_spec.session._entry import changed, check_same, entry_of
from buildkit_spec.values.entry import Entry

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold us up
_MAX_OPEN_DIRECTORIES = 64
_SWAPPED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do with an entry.

    Attributes:
        is_sent: It belongs to the tree.
        is_entered: A directory's entries are to be asked about; they may belong where it does not.
        memory: Handed in again when those are asked about.
    """

    is_sent: bool
    is_entered: bool
    memory: object = None


SENT = Choice(is_sent=True, is_entered=True)
LEFT_OUT = Choice(is_sent=False, is_entered=False)

Choose = Callable[[str, bool, object], Choice]
"""Decides on an entry by its path, whether it is a directory, and its directory's memory."""


@dataclass(slots=True)
class _Level:
    """A directory being walked."""

    prefix: str
    descriptor: int
    rest: Iterator[os.DirEntry[str]]
    unsent: Entry | None
    memory: object


class Tree:
    """A directory, open for walking and reading.

    Args:
        root: The directory; may itself be a symlink to one.

    Raises:
        SessionError: It cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(str(root), error) from error
        self._name = str(root)
        self._open: dict[str, int] = {}

    def __enter__(self) -> Tree:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in (*self._open.values(), self._root):
            os.close(descriptor)
        self._open.clear()

    def walk(self, choose: Choose) -> Generator[Entry, None, None]:
        """Yield the entries in the protocol's order, the root left out.

        A directory comes before its entries, names are compared as bytes, sockets are left out.
        A directory that was not chosen comes all the same where something below it was.

        Raises:
            SessionError: A directory or link cannot be read.
            FileChangedError: A directory was replaced in the meantime.
        """
        first_names: dict[tuple[int, int], str] = {}
        try:
            levels = [_Level("", self._root, _sorted(self._root), None, None)]
        except OSError as error:
            raise _unreadable(self._name, error) from error
        try:
            while levels:
                level = levels[-1]
                found = next(level.rest, None)
                if found is None:
                    levels.pop()
                    if level.descriptor != self._root:
                        os.close(level.descriptor)
                    continue
                entry, choice = self._look(level, found, choose, first_names)
                if entry is None:
                    continue
                if choice.is_sent:
                    yield from _unsent(levels)
                    yield entry
                if choice.is_entered and stat.S_ISDIR(entry.mode):
                    levels += self._enter(entry, found.name, level.descriptor, choice)
        finally:
            for level in levels[1:]:
                os.close(level.descriptor)

    def _look(
        self,
        level: _Level,
        found: os.DirEntry[str],
        choose: Choose,
        first_names: dict[tuple[int, int], str],
    ) -> tuple[Entry | None, Choice]:
        """Return an entry and what to do with it; no entry where it is to be passed over."""
        path = level.prefix + found.name
        try:
            is_dir = found.is_dir(follow_symlinks=False)
            choice = choose(path, is_dir, level.memory)
            if not (choice.is_sent or (is_dir and choice.is_entered)):
                return None, choice
            status = found.stat(follow_symlinks=False)
            if stat.S_ISSOCK(status.st_mode):
                return None, choice
            if stat.S_ISLNK(status.st_mode):
                link = os.readlink(found.name, dir_fd=level.descriptor)
                return entry_of(path, status, link), choice
        except FileNotFoundError:
            return None, LEFT_OUT  # gone since the directory was read: as good as never there
        except OSError as error:
            raise _unreadable(self._where(path), error) from error
        if status.st_nlink > 1 and not is_dir:
            first = first_names.setdefault((status.st_dev, status.st_ino), path)
            return entry_of(path, status, first if first != path else ""), choice
        return entry_of(path, status), choice

    def _enter(self, entry: Entry, name: str, descriptor: int, choice: Choice) -> list[_Level]:
        """Return the directory's level; none where it cannot be read and was not asked for."""
        try:
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
        except OSError as error:
            if error.errno in _SWAPPED:
                raise changed(entry.path) from error
            if not choice.is_sent and isinstance(error, PermissionError):
                return []
            raise _unreadable(self._where(entry.path), error) from error
        try:
            rest = _sorted(below)
        except OSError as error:
            os.close(below)
            raise _unreadable(self._where(entry.path), error) from error
        unsent = None if choice.is_sent else entry
        return [_Level(f"{entry.path}/", below, rest, unsent, choice.memory)]

    def chunks(self, entry: Entry, size_bytes: int) -> Iterator[bytes]:
        """Yield what a regular file holds, in pieces of at most *size_bytes*.

        A file of one piece is known to be the one that was found before it is yielded; of another
        one this is checked before the first piece and after the last.

        Raises:
            FileChangedError: It is not the file that was found any more.
            SessionError: It cannot be read.
        """
        above, _, name = entry.path.rpartition("/")
        try:
            descriptor = os.open(name, _FILE, dir_fd=self._directory(above))
        except OSError as error:
            if error.errno in _SWAPPED:
                raise changed(entry.path) from error
            raise _unreadable(self._where(entry.path), error) from error
        try:
            left = entry.size_bytes
            if not 0 < left <= size_bytes:
                check_same(entry, descriptor)
            while left > 0:
                data = os.read(descriptor, min(left, size_bytes))
                left -= len(data)
                if not data or left <= 0:
                    check_same(entry, descriptor)
                if not data:
                    raise changed(entry.path)
                yield data
        except OSError as error:
            check_same(entry, descriptor)  # a directory in its place, for one
            raise _unreadable(self._where(entry.path), error) from error
        finally:
            os.close(descriptor)

    def readlink(self, path: str) -> str | None:
        """Return a symlink's target, or None where there is none."""
        above, _, name = path.rpartition("/")
        try:
            return os.readlink(name, dir_fd=self._directory(above))
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the names in a directory; none where it is not one or cannot be read."""
        with contextlib.suppress(OSError):
            return os.listdir(self._directory(path))  # noqa: PTH208 - of a descriptor
        return []

    def _directory(self, path: str) -> int:
        """Return a descriptor of a directory, which stays ours and is good until the next call."""
        if not path:
            return self._root
        known = self._open.get(path)
        if known is not None:
            return known
        descriptor, place = self._root, ""
        for name in path.split("/"):
            place = f"{place}/{name}" if place else name
            known = self._open.get(place)
            if known is None:
                known = os.open(name, _DIRECTORY, dir_fd=descriptor)
                self._open[place] = known
                if len(self._open) > _MAX_OPEN_DIRECTORIES:
                    os.close(self._open.pop(next(iter(self._open))))
            descriptor = known
        return descriptor

    def _where(self, path: str) -> str:
        return f"{self._name.rstrip('/')}/{path}"


def _unsent(levels: list[_Level]) -> Iterator[Entry]:
    """Yield the directories above that were waiting for something in them to be sent."""
    for level in levels:
        if level.unsent is not None:
            yield level.unsent
            level.unsent = None


def _sorted(descriptor: int) -> Iterator[os.DirEntry[str]]:
    with os.scandir(descriptor) as entries:
        return iter(sorted(entries, key=lambda entry: os.fsencode(entry.name)))


def _unreadable(place: str, error: OSError) -> SessionError:
    return SessionError(f"cannot read {place!r}: {(error.strerror or str(error)).lower()}")
