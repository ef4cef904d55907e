"""Folders of certificates: written as a whole or not at all, and never over what is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from buildkit_spec.errors import CertificateError

_PRIVATE, _PUBLIC = 0o600, 0o644


def read_file(file: Path) -> bytes:
    """Return what is in a file.

    Raises:
        CertificateError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise _failed("read", file, error) from error


def is_exposed(key: Path) -> bool:
    """Return whether others may read a key, and its owner, who we are, could forbid it.

    ssh, too, looks at its user's own files only. What is mounted read-only is not ours to mend:
    Kubernetes gives secrets to everybody in the container, unless it is told otherwise.

    Source: OpenSSH ``authfile.c`` ``sshkey_perm_ok``.
    """
    try:
        status = key.stat()
        is_fixed = bool(os.statvfs(key).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and bool(status.st_mode & 0o077) and not is_fixed


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, if it is not there; nobody else may look into it.

    Raises:
        CertificateError: It cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _failed("make the folder", folder, error) from error


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files; all of it, or nothing.

    Args:
        folder: Must not be there; the one around it must.
        files: By name; those called ``*key.pem`` are for the owner alone.

    Raises:
        CertificateError: It is there already, or cannot be written.
    """
    if os.path.lexists(folder):
        raise CertificateError(
            f"{folder} is there already, and is not written over",
            path=str(folder),
            remedy=f"buildkit-spec certs show --dir {folder}",
        )
    scratch = Path()
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for name, data in files.items():
            _write(scratch / name, data)
        # Fails if somebody else was quicker: what is renamed over must be an empty folder.
        scratch.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        if scratch.name:
            shutil.rmtree(scratch, ignore_errors=True)
        raise _failed("write", folder, error) from error


def replace_files(folder: Path, files: Mapping[str, bytes], mark: str) -> None:
    """Replace files, and keep the old ones in a folder ``old`` beside them.

    The folder itself stays: it may be mounted somewhere. Each file is replaced at once; when one
    cannot be, those before it are put back.

    Args:
        folder: Has the files.
        files: The new ones by name; there may have been none of a name.
        mark: What goes before the names of the old ones.

    Raises:
        CertificateError: It cannot be done; then all is as it was.
    """
    kept, done = folder / "old", list[str]()
    there = [name for name in files if os.path.lexists(folder / name)]
    try:
        kept.mkdir(mode=0o700, exist_ok=True)
        for name in there:
            # Left by one that did not come to its end, it is the same file.
            with contextlib.suppress(FileExistsError):
                os.link(folder / name, kept / f"{mark}-{name}")
        for name, data in files.items():
            scratch = folder / f".{name}.new"
            scratch.unlink(missing_ok=True)
            _write(scratch, data)
        for name in files:
            (folder / f".{name}.new").replace(folder / name)
            done.append(name)
        _sync(folder)
    except OSError as error:
        for name in done:
            (folder / name).unlink()
            if name in there:
                os.link(kept / f"{mark}-{name}", folder / name)
        for name in files:
            with contextlib.suppress(OSError):
                (folder / f".{name}.new").unlink(missing_ok=True)
        raise _failed("write", folder, error) from error


def _write(file: Path, data: bytes) -> None:
    mode = _PRIVATE if file.name.removesuffix(".new").endswith("key.pem") else _PUBLIC
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as stream:  # noqa: PTH123 - a file that is open already
        os.fchmod(handle, stat.S_IMODE(mode))  # whatever the umask takes away
        stream.write(data)
        stream.flush()
        os.fsync(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(what: str, path: Path, error: OSError) -> CertificateError:
    return CertificateError(
        f"cannot {what} {path}: {(error.strerror or str(error)).lower()}",
        path=str(path),
        remedy="check the path, and that you may do so",
    )
