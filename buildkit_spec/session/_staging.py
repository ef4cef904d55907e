"""A tree that grows in a private folder, and goes where it is wanted when all of it is there.

What is in it comes from a daemon, which may be hostile. Nothing it sends leads outside:

* A path is made below directories only that this object made itself, and no entry is made twice:
  no link of the tree, and none that lay in the way, is ever followed. The folder has mode 0700.
* At the destination every step down is an ``openat`` that refuses links. What is in the way and is
  no directory is replaced, never written through.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import CallCancelledError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Staging:
    """A tree on its way to a directory. Safe to use from several threads.

    What makes an entry raises SessionError when its path is none, lies in no directory of the tree,
    or is taken; OSError when it cannot be made; and CallCancelledError when it is over.

    Args:
        destination: Where it goes. What is there already stays, unless the tree has it too.

    Raises:
        SessionError: It is no directory, or cannot be written to.
    """

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._lock = threading.Lock()
        self._is_over = False
        self._directories: dict[str, tuple[int, int]] = {}
        self._files: dict[str, bool] = {}  # whether it is made
        place = destination
        while not os.path.lexists(place) and place.parent != place:
            place = place.parent
        try:
            # A rename is what puts it in place: within one file system.
            self._folder = Path(tempfile.mkdtemp(prefix=".buildkit-spec-", dir=place))
            self._root = os.open(self._folder, _DIRECTORY)
        except OSError as error:
            raise unwritable(destination, error) from error

    def add_directory(self, path: str, mode: int, time_ns: int) -> None:
        """Make a directory; one that the tree has gets this mode and time."""
        with self._lock:
            if path not in self._directories:
                self._check(path)
                os.mkdir(path, 0o700, dir_fd=self._root)
            self._directories[path] = mode, time_ns

    def add_file(self, path: str) -> None:
        """Take the place of a file, which `open` makes: it is opened once that way."""
        with self._lock:
            self._check(path)
            self._files[path] = False

    def add_hard_link(self, path: str, first: str) -> None:
        """Make another name of a file of the tree."""
        with self._lock:
            self._check(path)
            if first not in self._files:
                raise _hostile(path, f"is a hard link to {first!r}, which is no file of it")
            root = self._root
            if not self._files[first]:
                os.close(os.open(first, _NEW_FILE, 0o600, dir_fd=root))
                self._files[first] = True
            os.link(first, path, src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
            self._files[path] = True

    def add_link(self, path: str, target: str, time_ns: int) -> None:
        """Make a symbolic link; its target is a text that nothing here looks at."""
        with self._lock:
            self._check(path)
            os.symlink(target, path, dir_fd=self._root)
            times = (time_ns, time_ns)
            os.utime(path, ns=times, dir_fd=self._root, follow_symlinks=False)

    def add_pipe(self, path: str, mode: int, time_ns: int) -> None:
        """Make a named pipe."""
        with self._lock:
            self._check(path)
            os.mkfifo(path, 0o600, dir_fd=self._root)
            os.chmod(path, mode, dir_fd=self._root)  # no link: it was made a line above
            os.utime(path, ns=(time_ns, time_ns), dir_fd=self._root)

    def open(self, path: str) -> int:
        """Return a descriptor to write a file with whose place was taken; once for each file."""
        with self._lock:
            if self._is_over:
                raise CallCancelledError
            flags = _OLD_FILE if self._files[path] else _NEW_FILE
            self._files[path] = True
            return os.open(path, flags, 0o600, dir_fd=self._root)

    def commit(self) -> None:
        """Put the tree in place: at once where nothing is yet, else entry by entry.

        Raises:
            SessionError: It cannot be put there. When a directory is in the way of what is none,
                nothing was changed.
        """
        with self._lock:
            self._is_over = True
        try:
            base = self._move()
            try:
                self._finish(base)
            finally:
                os.close(base)
        except OSError as error:
            raise unwritable(self._destination, error) from error
        finally:
            self._remove()

    def discard(self) -> None:
        """Leave everything as it was; harmless when repeated, and after `commit`."""
        with self._lock:
            is_over, self._is_over = self._is_over, True
        if not is_over:
            self._remove()

    def _check(self, path: str) -> None:
        """Make sure that an entry may be made, in a directory that was made here. Lock is held."""
        if self._is_over:
            raise CallCancelledError
        parent, slash, name = path.rpartition("/")
        if name in {"", ".", ".."} or "\0" in path or (slash and parent not in self._directories):
            raise _hostile(path, "is no name in a directory of it")
        if path in self._files:  # it may be that there is nothing yet
            raise _hostile(path, "is there twice")

    def _remove(self) -> None:
        os.close(self._root)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _move(self) -> int:
        """Put everything in place, but for modes and times of directories; return the place."""
        target = self._destination
        if not target.exists():
            target.mkdir(parents=True)
            mode = target.stat().st_mode
            self._folder.rename(target)  # onto the empty one
            target.chmod(stat.S_IMODE(mode))
            return os.dup(self._root)
        base = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _merge(self._root, base, str(target), is_rehearsal=True)
            _merge(self._root, base, str(target), is_rehearsal=False)
        except BaseException:
            os.close(base)
            raise
        return base

    def _finish(self, base: int) -> None:
        # The deepest first: it may be that nobody can enter a directory afterwards.
        for path, (mode, time_ns) in reversed(self._directories.items()):
            with _opened(base, *path.split("/")) as directory:
                os.fchmod(directory, mode)
                os.utime(directory, ns=(time_ns, time_ns))


def unwritable(path: Path, error: OSError) -> SessionError:
    """Return the error of a place that cannot be written to."""
    why = (error.strerror or type(error).__name__).lower()
    return SessionError(
        f"cannot write to {path}: {why}",
        remedy="check the path, who may write it, and the space that is left",
    )


def _hostile(path: str, why: str) -> SessionError:
    return SessionError(
        f"the daemon sent a tree that no image has: {path!r} {why}",
        remedy="do not use this daemon",
    )


@contextlib.contextmanager
def _opened(base: int, *names: str) -> Iterator[int]:
    """Open a directory step by step, so that no link is followed on the way."""
    directory = os.dup(base)
    try:
        for name in names:
            parent, directory = directory, os.open(name, _DIRECTORY, dir_fd=directory)
            os.close(parent)
        yield directory
    finally:
        os.close(directory)


def _merge(source: int, target: int, place: str, *, is_rehearsal: bool) -> None:
    """Move all entries from one directory to another; join directories that both have.

    Args:
        source: Descriptor of the one.
        target: Descriptor of the other.
        place: The other's path, for messages.
        is_rehearsal: Move nothing: only see whether a directory is in the way.

    Raises:
        SessionError: One is.
        OSError: An entry cannot be moved.
    """
    with os.scandir(source) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        try:
            kind = stat.S_IFMT(os.stat(name, dir_fd=target, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            kind = 0
        if kind == stat.S_IFDIR:
            if not is_directory:
                raise SessionError(
                    f"{place}/{name} is a directory, and the result has something else there",
                    remedy="remove it, or choose another directory",
                )
            with _opened(source, name) as inner, _opened(target, name) as outer:
                if not is_rehearsal:
                    os.fchmod(outer, 0o700)  # what it is to have comes when all is there
                _merge(inner, outer, f"{place}/{name}", is_rehearsal=is_rehearsal)
        elif not is_rehearsal:
            if is_directory and kind:
                os.unlink(name, dir_fd=target)
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
