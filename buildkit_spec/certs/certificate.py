"""`Certificate`: what a certificate says: whose, for what, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.certs.files import read_file
from buildkit_spec.errors import CertificateError

if TYPE_CHECKING:
    from cryptography import x509

SERVER, CLIENT = "server", "client"
"""What a certificate may be for."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    Attributes:
        subject: Whose it is, such as ``CN=builder``.
        issuer: Whose authority signed it.
        names: The DNS names and IP addresses that it is for.
        not_before: From when it holds, UTC.
        not_after: Until when, UTC.
        fingerprint: SHA-256 of all of it, as openssl prints it: ``AB:CD:…``.
        is_authority: Whether it may sign others.
        purposes: What it is for: `SERVER`, `CLIENT`; empty when it does not say, so for anything.
        body: As the library has it.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    is_authority: bool
    purposes: tuple[str, ...]
    body: x509.Certificate = field(repr=False)

    @property
    def common_name(self) -> str:
        """The name in its subject, or all of that where there is none."""
        return self.subject.removeprefix("CN=") if "," not in self.subject else self.subject

    @property
    def serial(self) -> str:
        """Its number, in hexadecimal digits."""
        return f"{self.body.serial_number:x}"

    def trouble(self, now: datetime | None = None) -> str:
        """Return words for a certificate that does not hold now, to be put behind it; else empty.

        Args:
            now: By default the present.
        """
        now = now or datetime.now(timezone.utc)
        if now > self.not_after:
            return " (expired)"
        return " (not yet valid)" if now < self.not_before else ""

    def days_left(self, now: datetime | None = None) -> int:
        """Return the whole days until it expires; negative when it has.

        Args:
            now: By default the present.
        """
        return (self.not_after - (now or datetime.now(timezone.utc))).days

    def is_signed_by(self, authority: Certificate) -> bool:
        """Return whether an authority's key signed it."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.body.verify_directly_issued_by(authority.body)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


def parse_certificate(data: bytes) -> Certificate:
    """Return a certificate from its DER.

    Raises:
        ValueError: It is none.
    """
    from cryptography import x509

    return _decode(x509.load_der_x509_certificate(data))


def read_certificates(file: Path) -> list[Certificate]:
    """Return the certificates of a PEM file, in its order.

    Raises:
        CertificateError: It cannot be read, or holds none.
    """
    from cryptography import x509

    data = read_file(file)
    try:
        return [_decode(one) for one in x509.load_pem_x509_certificates(data)]
    except ValueError as error:
        raise CertificateError(
            f"{file} holds no certificate in PEM",
            path=str(file),
            remedy=f"openssl x509 -in {file} -noout -text",
        ) from error


def _decode(one: x509.Certificate) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

    alternatives = _extension(one, x509.SubjectAlternativeName)
    constraints = _extension(one, x509.BasicConstraints)
    usage = _extension(one, x509.ExtendedKeyUsage) or ()
    known = {Usage.SERVER_AUTH: SERVER, Usage.CLIENT_AUTH: CLIENT}
    names: list[str] = []
    if alternatives is not None:
        names += alternatives.get_values_for_type(x509.DNSName)
        names += map(str, alternatives.get_values_for_type(x509.IPAddress))
    return Certificate(
        subject=one.subject.rfc4514_string(),
        issuer=one.issuer.rfc4514_string(),
        names=tuple(names),
        not_before=one.not_valid_before_utc,
        not_after=one.not_valid_after_utc,
        fingerprint=one.fingerprint(SHA256()).hex(":").upper(),
        is_authority=constraints is not None and constraints.ca,
        purposes=tuple(known.get(one, one.dotted_string) for one in usage),
        body=one,
    )


def _extension(
    one: x509.Certificate, kind: type[x509.extensions.ExtensionTypeVar]
) -> x509.extensions.ExtensionTypeVar | None:
    from cryptography import x509

    try:
        return one.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
