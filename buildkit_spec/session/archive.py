"""`ArchiveFile`: an archive that takes its place only when the build went well."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import INVALID_ARGUMENT, StatusError
from buildkit_spec.session._staging import unwritable

_STDOUT = 1


class ArchiveFile:
    """A file for the result of one exporter; `open` is a target of `FileSend`.

    It is written beside its place and renamed by `commit`: until then the old file stays. What is
    no regular file, such as a pipe or ``/dev/null``, is written to directly.

    Args:
        path: Its place; None is standard output.

    Raises:
        SessionError: It cannot be written there, or standard output is a terminal.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._is_opened = False
        self._part: Path | None = None
        if path is None:
            if os.isatty(_STDOUT):
                raise SessionError(
                    "standard output is a terminal: an archive is not written there",
                    remedy="write dest=FILE, or send it on: … | docker load",
                )
            self._path = Path("standard output")
            return
        self._path = path.resolve()  # of a link, what it points to is replaced
        try:
            self._make_part()
        except OSError as error:
            raise unwritable(path, error) from error

    def _make_part(self) -> None:
        path = self._path
        mode = 0o666  # less the umask
        if path.exists():
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                return
            mode = stat.S_IMODE(status.st_mode)
        part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
        self._part = part

    def open(self, said: Mapping[str, str]) -> BinaryIO:
        """Return the file to write to; see `buildkit_spec.session.filesend.Target`.

        Raises:
            StatusError: It was opened before: a result comes once.
            OSError: It cannot be opened.
        """
        with self._lock:
            if self._is_opened:
                raise StatusError(INVALID_ARGUMENT, f"{self._path} was sent already")
            self._is_opened = True
        if self._part is not None:
            return self._part.open("wb")
        if self._path.is_absolute():
            return self._path.open("wb")
        sys.stdout.flush()
        return os.fdopen(os.dup(_STDOUT), "wb")

    def commit(self) -> None:
        """Put the file in its place.

        Raises:
            SessionError: It cannot be put there.
        """
        if self._part is None:
            return
        try:
            self._part.replace(self._path)
        except OSError as error:
            self.discard()
            raise unwritable(self._path, error) from error
        self._part = None

    def discard(self) -> None:
        """Leave what was there; harmless when repeated, and after `commit`."""
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()
            self._part = None
