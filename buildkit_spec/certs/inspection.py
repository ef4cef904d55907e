"""What is in a folder of certificates, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec.certs.certificate import SERVER, Certificate, read_certificates
from buildkit_spec.certs.files import is_exposed, read_file
from buildkit_spec.certs.issue import load_key
from buildkit_spec.certs.store import leaf_folders
from buildkit_spec.errors import CertificateError

SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One certificate of a folder.

    Attributes:
        file: The certificate.
        certificate: What it says; None when it cannot be read.
        problems: What is wrong, and what to do about it: pairs; the second may be empty.
    """

    file: Path
    certificate: Certificate | None
    problems: tuple[tuple[str, str], ...]


def inspect(directory: Path, names: Sequence[str] = ()) -> list[Finding]:
    """Return what there is, the authority first, each with what is wrong.

    Args:
        directory: Of an authority and those it signed; or of one certificate.
        names: Of folders in it; all when it is empty.

    Raises:
        CertificateError: There is no certificate at all, or none of a name.
    """
    if not names and any((directory / name).is_file() for name in ("ca.pem", "cert.pem")):
        return _of_folder(directory)
    found: list[Finding] = []
    if not names and (directory / "ca").is_dir():
        found += _of_folder(directory / "ca")
    for folder in [directory / name for name in names] or leaf_folders(directory):
        found += _of_folder(folder)[-1:]
    if not found:
        raise CertificateError(
            f"there are no certificates in {directory}",
            path=str(directory),
            remedy=f"buildkit-spec certs init --dir {directory}",
        )
    return found


def _of_folder(folder: Path) -> list[Finding]:
    ca, cert = folder / "ca.pem", folder / "cert.pem"
    found = []
    authorities: list[Certificate] = []
    if ca.exists() or not cert.exists():
        try:
            authorities = read_certificates(ca)
        except CertificateError as error:
            found.append(Finding(ca, None, ((error.message, error.remedy),)))
        for one in authorities:
            found.append(Finding(ca, one, tuple(_wrong_with_authority(folder, one))))
    if cert.exists():
        try:
            leaf = read_certificates(cert)[0]
        except CertificateError as error:
            return [*found, Finding(cert, None, ((error.message, error.remedy),))]
        found.append(Finding(cert, leaf, tuple(_wrong_with_leaf(folder, leaf, authorities))))
    return found


def _wrong_with_authority(folder: Path, one: Certificate) -> Iterator[tuple[str, str]]:
    yield from _wrong_dates(one, "buildkit-spec certs init, and new certificates for all")
    if not one.is_authority:
        yield "it may sign no others", "is this the certificate of a server?"
    key = folder / "ca-key.pem"
    if key.exists():
        yield from _wrong_with_key(key, one)


def _wrong_with_leaf(
    folder: Path, one: Certificate, authorities: Sequence[Certificate]
) -> Iterator[tuple[str, str]]:
    again = f"buildkit-spec certs renew --dir {folder}"
    yield from _wrong_dates(one, again)
    if not authorities:
        yield "there is no ca.pem: nothing says whom to trust", "copy the authority's ca.pem there"
    elif not any(one.is_signed_by(authority) for authority in authorities):
        yield f"it is not signed by {authorities[0].subject} of ca.pem", again
    if SERVER in one.purposes and not one.names:
        yield "it is for no name", "buildkit-spec certs server --san NAME"
    key = folder / "key.pem"
    if not key.exists():
        yield "there is no key.pem", f"{again} --new-key"
    else:
        yield from _wrong_with_key(key, one)


def _wrong_with_key(key: Path, one: Certificate) -> Iterator[tuple[str, str]]:
    if is_exposed(key):
        yield f"others may read {key}", f"chmod 600 {key}"
    try:
        is_own = load_key(read_file(key), key).public_key() == one.body.public_key()
    except CertificateError as error:
        yield error.message, error.remedy
    else:
        if not is_own:
            yield f"{key} is another certificate's key", ""


def _wrong_dates(one: Certificate, remedy: str) -> Iterator[tuple[str, str]]:
    if trouble := one.trouble():
        when = one.not_after if trouble == " (expired)" else one.not_before
        word = "expired on" if trouble == " (expired)" else "it does not hold before"
        yield f"{word} {when:%Y-%m-%d %H:%M} UTC", remedy
    elif one.days_left() < SOON_DAYS:
        yield f"it expires in {one.days_left()} days", remedy
