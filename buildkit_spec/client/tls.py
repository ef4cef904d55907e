"""`Tls`: whom to trust on the other end of a TCP connection, and what to show there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from buildkit_spec.errors import TlsFailedError

TLS_DIRECTORY = "BUILDKIT_TLS_DIR"
"""Variable with a folder of certificates."""

TLS_VARIABLES = {
    "ca": "BUILDKIT_TLS_CACERT",
    "cert": "BUILDKIT_TLS_CERT",
    "key": "BUILDKIT_TLS_KEY",
}
"""Variables with the files, in place of a folder."""

TLS_SERVER_NAME = "BUILDKIT_TLS_SERVER_NAME"
"""Variable with the name in the daemon's certificate; alone or beside the others."""

_NAMES = (("ca.pem", "ca.crt"), ("cert.pem", "tls.crt"), ("key.pem", "tls.key"))
"""In a folder: as buildctl calls them, and as a Kubernetes secret of type ``tls`` does."""


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
    def from_files(
        cls,
        directory: Path | None = None,
        *,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        server_name: str = "",
    ) -> Tls | None:
        """Return what a folder has, or the files that are named; None when nothing is said.

        Raises:
            TlsFailedError: Both are named, a certificate without its key, or the folder has none.
        """
        if directory is None:
            if bool(cert) != bool(key):
                raise _unusable("a certificate and its key belong together: name both, or neither")
            one = cls(ca, cert, key, server_name)
            return None if one == cls() else one
        if ca or cert or key:
            raise _unusable("a folder of certificates has all files: name it, or the files")
        return replace(cls.from_directory(directory), server_name=server_name)

    @classmethod
    def from_directory(cls, directory: Path) -> Tls:
        """Return what there is of ``ca.pem``, ``cert.pem`` and ``key.pem`` in a directory.

        They may also be called ``ca.crt``, ``tls.crt`` and ``tls.key``.

        Raises:
            TlsFailedError: It has neither a CA nor a certificate, or a certificate without key.

        Source: ``cmd/buildctl/common/common.go`` ``resolveTLSFilesFromDir``.
        """
        places = [[directory / name for name in names] for names in _NAMES]
        ca, cert, key = (next(filter(Path.is_file, some), None) for some in places)
        if ca is None and cert is None:
            raise _unusable(f"there is no ca.pem and no cert.pem in {directory}", directory)
        if cert is not None and key is None:
            raise _unusable(f"there is a cert.pem but no key.pem in {directory}", directory)
        return cls(ca, cert, key if cert else None)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Tls | None:
        """Return the certificates that the environment names; None if it names none.

        ``BUILDKIT_TLS_DIR``, or ``BUILDKIT_TLS_CACERT``, ``BUILDKIT_TLS_CERT`` and
        ``BUILDKIT_TLS_KEY``; with either, or alone, ``BUILDKIT_TLS_SERVER_NAME``.

        Raises:
            TlsFailedError: As `from_files`.
        """
        directory = env.get(TLS_DIRECTORY)
        files = {name: Path(env[word]) for name, word in TLS_VARIABLES.items() if env.get(word)}
        return cls.from_files(
            Path(directory) if directory else None,
            **files,
            server_name=env.get(TLS_SERVER_NAME, ""),
        )

    def over(self, other: Tls | None) -> Tls:
        """Return these settings, where they are silent with those of *other*.

        Files go together: a CA here is not joined by a certificate from there.
        """
        if other is None:
            return self
        name = self.server_name or other.server_name
        return replace(self if self.ca or self.cert else other, server_name=name)


def _unusable(message: str, path: Path | None = None) -> TlsFailedError:
    return TlsFailedError(
        message,
        reason="own files",
        path=str(path or ""),
        remedy="--tlsdir DIR, a folder with ca.pem, cert.pem and key.pem",
    )
