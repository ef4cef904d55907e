"""A folder of certificates: an authority, and a folder for each server and client it signed.

::

    DIR/ca/      ca.pem  ca-key.pem           the authority; its key stays here
    DIR/server/  ca.pem  cert.pem  key.pem    goes to the builder machine, as it is
    DIR/client/  ca.pem  cert.pem  key.pem    goes to a user: --tlsdir DIR/client
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from buildkit_spec.certs.certificate import CLIENT, SERVER, Certificate, read_certificates
from buildkit_spec.certs.files import make_private, read_file, replace_files, write_folder
from buildkit_spec.certs.issue import Authority, check_name, load_key, new_authority, new_leaf
from buildkit_spec.errors import CertificateError, InvalidValueError

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
"""Thirteen months: renewed once a year, with a month to spare."""

_AUTHORITY = "ca"
_CA, _CA_KEY, _CERT, _KEY = "ca.pem", "ca-key.pem", "cert.pem", "key.pem"
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


def init(directory: Path, *, name: str = "buildkit-spec", days: int = AUTHORITY_DAYS) -> Path:
    """Make an authority, in a folder of its own.

    Args:
        directory: Made when it is not there, for its owner alone.
        name: The authority's, for people.
        days: How long it holds.

    Returns:
        The authority's folder.

    Raises:
        CertificateError: There is one already, or it cannot be written.
        InvalidValueError: The name is none.
    """
    _check_folder_name(name)
    pair = new_authority(f"{name} authority", _now(), days)
    make_private(directory)
    folder = directory / _AUTHORITY
    write_folder(folder, {_CA: pair.cert, _CA_KEY: pair.key})
    return folder


def add_server(
    directory: Path, names: Sequence[str], *, name: str = "server", days: int = LEAF_DAYS
) -> Path:
    """Make a certificate for a builder machine.

    Args:
        directory: Has an authority.
        names: DNS names and IP addresses that clients call it by; at least one.
        name: Of its folder.
        days: How long it holds.

    Returns:
        Its folder, with ``ca.pem``, ``cert.pem`` and ``key.pem``.

    Raises:
        CertificateError: There is no authority, or the folder is there already.
        InvalidValueError: A name is none, or there is none.
    """
    if not names:
        raise InvalidValueError(
            "", "a server needs the names that clients call it by", remedy="--san builder.internal"
        )
    checked = list(dict.fromkeys(map(check_name, names)))
    return _add(directory, name, SERVER, checked, days)


def add_client(directory: Path, *, name: str = "client", days: int = LEAF_DAYS) -> Path:
    """Make a certificate for somebody who may build.

    Args:
        directory: Has an authority.
        name: Whose it is; also of its folder.
        days: How long it holds.

    Returns:
        Its folder, for ``--tlsdir``.

    Raises:
        CertificateError: There is no authority, or the folder is there already.
        InvalidValueError: The name is none.
    """
    return _add(directory, name, CLIENT, [], days)


def renew(
    directory: Path,
    names: Sequence[str] = (),
    *,
    days: int = LEAF_DAYS,
    has_new_key: bool = False,
) -> list[Path]:
    """Make new certificates for the same names; the old ones stay in a folder ``old``.

    Args:
        directory: Has an authority; or the folder of one certificate beside an authority.
        names: Of the folders; all when it is empty.
        days: How long they hold.
        has_new_key: Make new keys too.

    Returns:
        The folders.

    Raises:
        CertificateError: There is no authority, no such certificate, or it cannot be replaced.
    """
    if not names and (directory / _CERT).is_file():
        # Its name may be "." or a link.
        directory = directory.resolve()
        directory, names = directory.parent, [directory.name]
    authority = _authority(directory)
    folders = [directory / name for name in names] if names else leaf_folders(directory)
    ca = read_file(directory / _AUTHORITY / _CA)
    # All is read before anything is written.
    old = [
        (folder, _leaf(folder), b"" if has_new_key else read_file(folder / _KEY))
        for folder in folders
    ]
    for folder, leaf, key in old:
        purpose = CLIENT if CLIENT in leaf.purposes else SERVER
        pair = new_leaf(authority, leaf.common_name, purpose, leaf.names, _now(), days, key)
        files = {_CERT: pair.cert}
        if not (folder / _CA).exists() or read_file(folder / _CA) != ca:
            files[_CA] = ca
        if has_new_key:
            files[_KEY] = pair.key
        replace_files(folder, files, f"{leaf.not_after:%Y%m%d}-{leaf.serial[:8]}")
    return folders


def leaf_folders(directory: Path) -> list[Path]:
    """Return the folders with a certificate, sorted by name."""
    return sorted(file.parent for file in directory.glob(f"*/{_CERT}"))


def _add(directory: Path, name: str, purpose: str, names: Sequence[str], days: int) -> Path:
    _check_folder_name(name)
    authority = _authority(directory)
    pair = new_leaf(authority, name, purpose, names, _now(), days)
    ca = read_file(directory / _AUTHORITY / _CA)
    folder = directory / name
    write_folder(folder, {_CA: ca, _CERT: pair.cert, _KEY: pair.key})
    return folder


def _authority(directory: Path) -> Authority:
    folder = directory / _AUTHORITY
    if not (folder / _CA_KEY).exists():
        raise CertificateError(
            f"there is no authority in {directory}",
            path=str(directory),
            remedy=f"buildkit-spec certs init --dir {directory}, or name the folder that has one",
        )
    certificate = read_certificates(folder / _CA)[0]
    if trouble := certificate.trouble(_now()):
        raise CertificateError(
            f"the authority in {folder} can sign no more{trouble}:"
            f" it holds until {certificate.not_after:%Y-%m-%d}",
            path=str(folder),
            remedy="buildkit-spec certs init with another folder, and new certificates for all",
        )
    key = load_key(read_file(folder / _CA_KEY), folder / _CA_KEY)
    if key.public_key() != certificate.body.public_key():
        raise CertificateError(
            f"{folder / _CA_KEY} is not the key of {folder / _CA}", path=str(folder)
        )
    return Authority(certificate, key)


def _leaf(folder: Path) -> Certificate:
    if not (folder / _CERT).is_file():
        raise CertificateError(
            f"there is no certificate in {folder}",
            path=str(folder),
            remedy=f"buildkit-spec certs show --dir {folder.parent}",
        )
    return read_certificates(folder / _CERT)[0]


def _check_folder_name(name: str) -> None:
    if not _FOLDER.fullmatch(name) or name == _AUTHORITY:
        raise InvalidValueError(
            name, "a name is of letters, digits, _, - and .; the authority alone is called ca"
        )


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)
