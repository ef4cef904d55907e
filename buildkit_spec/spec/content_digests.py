"""`ContentDigests`: what the files of a folder hold, read only when they were touched.

Remembered between processes in ``$XDG_CACHE_HOME/buildkit-spec/digests-UID``, a file for each
folder. Losing it costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from buildkit_spec.errors import SolveCanceledError
from buildkit_spec.spec.given_up import given_up
from buildkit_spec.values.user import home_directory

_CHUNK_BYTES = 1 << 20
_VERSION = 1

_SETTLED_NS = 2_000_000_000
"""How long a file must have been at rest when it is read to be remembered. A second change within
one tick of the file system's clock leaves all its times as they are: two seconds is the longest."""

_WORTH_FILES = 200
_WORTH_BYTES = 8 << 20
"""From here on, hashing takes longer than remembering."""

_FORGOTTEN_NS = 30 * 24 * 3600 * 1_000_000_000

Touched = tuple[int, int, int, int]


def touched(status: os.stat_result) -> Touched:
    """Return what changes with a file: inode, size, and the times of content and of change.

    Nobody can set the time of change, unlike the other one.
    """
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ContentDigests:
    """The sha256 of the files in *folder*.

    Args:
        folder: Their folder, absolute.
        memory: Where to remember them between processes; None remembers for this one only.
    """

    def __init__(self, folder: str, memory: Path | None = None) -> None:
        self._folder = folder
        self._prefix = os.path.join(folder, "")  # noqa: PTH118 - text: pathlib is slow for each
        self._memory = memory
        self._remembered = _load(memory, folder) if memory else {}
        self._known: dict[str, tuple[Touched, bytes, bool]] = {}  # the last: to be remembered
        self._began_ns = 0
        self._read_files = 0
        self._read_bytes = 0

    def of(self, path: str, now: Touched) -> bytes:
        """Return a file's sha256.

        Args:
            path: Relative to the folder, with ``/``.
            now: What `touched` says of it.

        Raises:
            OSError: It cannot be read.
            SolveCanceledError: Nobody waits for it any more; see `given_up`.
        """
        known = self._known.get(path)
        if known is not None and known[0] == now:
            return known[1]
        is_settled = True
        digest = self._recall(path, now)
        if digest is None:
            self._began_ns = self._began_ns or _file_clock_ns()
            is_settled = now[3] < self._began_ns - _SETTLED_NS
            digest = _sha256(self._prefix + path)
            self._read_files += 1
            self._read_bytes += now[1]
        self._known[path] = (now, digest, is_settled)
        return digest

    def save(self) -> None:
        """Remember what was read, if that was much; never fails."""
        if self._memory is None or (
            self._read_files < _WORTH_FILES and self._read_bytes < _WORTH_BYTES
        ):
            return
        files = {
            path: [*now, digest.hex()]
            for path, (now, digest, is_settled) in list(self._known.items())
            if is_settled
        }
        with contextlib.suppress(OSError):
            _replace(self._memory, {"version": _VERSION, "folder": self._folder, "files": files})
            _forget_old(self._memory.parent, self._began_ns)
        self._read_files = self._read_bytes = self._began_ns = 0

    def _recall(self, path: str, now: Touched) -> bytes | None:
        entry = self._remembered.pop(path, None)
        if entry is None or entry[:4] != [*now]:
            return None
        try:
            digest = bytes.fromhex(entry[4])  # type: ignore[arg-type]
        except (IndexError, TypeError, ValueError):
            return None
        return digest if len(digest) == 32 else None


def digests_of(folder: str) -> ContentDigests:
    """Return this process's digests of an absolute folder, what was remembered included."""
    memory = _memory_folder()
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
    return _digests_of(folder, memory / f"{name}.json" if memory else None)


_digests_of = lru_cache(maxsize=64)(ContentDigests)


def _memory_folder() -> Path | None:
    """Return the user's own folder for what is remembered; None where there can be none."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(configured) if configured.startswith("/") else home_directory() / ".cache"
    with contextlib.suppress(OSError, AttributeError):  # no user ids on Windows
        folder = cache / "buildkit-spec" / f"digests-{os.getuid()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        # Who may write there may say what our files hold.
        is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if is_own and stat.S_IMODE(status.st_mode) & 0o022 == 0:
            return folder
    return None


def _load(memory: Path, folder: str) -> dict[str, list[int | str]]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        whole = json.loads(memory.read_bytes())
        if isinstance(whole, dict) and (whole.get("version"), whole.get("folder")) == (
            _VERSION,
            folder,
        ):
            files = whole.get("files")
            if isinstance(files, dict) and all(isinstance(one, list) for one in files.values()):
                return files
    return {}


def _replace(memory: Path, content: object) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=memory.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(json.dumps(content, separators=(",", ":")))  # dump() is all Python
        os.replace(temporary, memory)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def _forget_old(folder: Path, now_ns: int) -> None:
    for file in folder.iterdir():
        if file.lstat().st_mtime_ns < now_ns - _FORGOTTEN_NS:
            file.unlink()


def _file_clock_ns() -> int:
    """Return the time as file systems tell it."""
    with tempfile.TemporaryFile() as file:
        return os.fstat(file.fileno()).st_mtime_ns


def _sha256(path: str) -> bytes:
    content, is_given_up = hashlib.sha256(), given_up()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # an open() takes twice as long
    try:
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            if is_given_up():
                raise SolveCanceledError("the build was cancelled", code="CANCELLED")
            content.update(chunk)
    finally:
        os.close(descriptor)
    return content.digest()
