"""What a certificate file says: whose, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from buildkit_spec.errors import ConnectionFailedError


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    Attributes:
        subject: Whose it is, such as ``CN=builder``.
        not_before: From when it holds, UTC.
        not_after: Until when, UTC.
    """

    subject: str
    not_before: datetime
    not_after: datetime

    def trouble(self, now: datetime | None = None) -> str:
        """Return words for a certificate that does not hold now, to be put behind it; else empty.

        Args:
            now: By default the present.
        """
        now = now or datetime.now(timezone.utc)
        if now > self.not_after:
            return " (expired)"
        return " (not yet valid)" if now < self.not_before else ""


def read_certificates(file: Path) -> list[Certificate]:
    """Return the certificates of a PEM file, in its order.

    Raises:
        ConnectionFailedError: It cannot be read, or holds none.
    """
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM"
        raise ConnectionFailedError(
            f"cannot read the certificate file {file}: {(why or str(error)).lower()}",
            remedy="check the path, and that you may read it",
        ) from error
    return [
        Certificate(one.subject.rfc4514_string(), one.not_valid_before_utc, one.not_valid_after_utc)
        for one in found
    ]
