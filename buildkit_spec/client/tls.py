"""`Tls`: certificates for a daemon that wants TLS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec.errors import ConnectionFailedError

TLS_DIRECTORY = "BUILDKIT_SPEC_TLS"
"""Variable with a directory of certificates."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates for a ``tcp://`` daemon; files in PEM.

    Attributes:
        ca: Who signs the daemon's certificate; None for the machine's authorities.
        cert: Our own certificate; None to show none.
        key: Its key.
        server_name: Name in the daemon's certificate, where it is not the address's host.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""

    @classmethod
    def from_directory(cls, directory: Path) -> Tls:
        """Return what there is of ``ca.pem``, ``cert.pem`` and ``key.pem`` in a directory.

        Raises:
            ConnectionFailedError: It has neither a CA nor a certificate.
        """
        files = [directory / f"{name}.pem" for name in ("ca", "cert", "key")]
        ca, cert, key = (file if file.is_file() else None for file in files)
        if ca is None and cert is None:
            raise ConnectionFailedError(
                f"there is no ca.pem and no cert.pem in {directory}",
                remedy="name the directory that has ca.pem, cert.pem and key.pem",
            )
        return cls(ca, cert, key)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Tls | None:
        """Return the certificates in the directory that ``BUILDKIT_SPEC_TLS`` names; None if unset.

        Raises:
            ConnectionFailedError: It has none.
        """
        directory = env.get(TLS_DIRECTORY)
        return cls.from_directory(Path(directory)) if directory else None
