"""What `Tls` names, read and checked: our own files are looked at before anything is sent."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from buildkit_spec.certs.files import is_exposed, read_file
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import CertificateError, TlsFailedError
from buildkit_spec.registry.tls import SYSTEM_BUNDLES


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return what OpenSSL needs to be a client; it trusts what gRPC is told to trust.

    Raises:
        TlsFailedError: A file cannot be read, is not PEM, or is not for us alone; or the key is
            not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As Go's clients and gRPC: a name stands among the alternatives, any authority given will do.
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusted = authorities(tls)
    if trusted is None:
        context.set_default_verify_paths()
    else:
        _trust(context, trusted, tls.ca)
    if tls.cert is not None and tls.key is not None:
        _show(context, tls.cert, tls.key)
    return context


def authorities(tls: Tls) -> bytes | None:
    """Return the certificates to trust, in PEM; None when the machine has no file of them.

    Without a CA of its own these are the machine's, for OpenSSL and gRPC alike, which would look
    for them at places of their own.

    Raises:
        TlsFailedError: The file cannot be read.
    """
    if tls.ca is not None:
        return read_own(tls.ca)
    places = [os.environ.get("SSL_CERT_FILE", ""), *SYSTEM_BUNDLES]
    bundle = next((Path(place) for place in places if place and Path(place).is_file()), None)
    return read_own(bundle) if bundle else None


def read_own(file: Path) -> bytes:
    """Return what is in a file of ours.

    Raises:
        TlsFailedError: It cannot be read.
    """
    try:
        return read_file(file)
    except CertificateError as error:
        raise _unusable(error.message, file, "check the path, and that you may read it") from error


def _trust(context: ssl.SSLContext, trusted: bytes, file: Path | None) -> None:
    try:
        context.load_verify_locations(cadata=trusted.decode("latin-1"))
    except (ssl.SSLError, ValueError) as error:
        place = file or Path("the machine's bundle")
        raise _unusable(f"{place} holds no certificate in PEM", place) from error


def _show(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in read_own(cert):
        raise _unusable(f"{cert} holds no certificate in PEM", cert)
    secret = read_own(key)
    if is_exposed(key):
        remedy = f"chmod 600 {key}"
        raise _unusable(f"others may read the key {key}: it is not used", key, remedy)
    if b"PRIVATE KEY-----" not in secret:
        raise _unusable(f"{key} holds no key in PEM", key)
    if b"ENCRYPTED" in secret:
        remedy = f"openssl pkey -in {key} -out key.pem"
        raise _unusable(f"the key {key} has a password, which nobody is asked for", key, remedy)
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            why = f"{key} is not the key of {cert}"
        else:
            why = f"{cert} and {key} cannot be used"
        remedy = f"buildkit-spec certs show --dir {cert.parent}"
        raise _unusable(why, key, remedy) from error


def _unusable(message: str, file: Path, remedy: str = "") -> TlsFailedError:
    remedy = remedy or f"openssl storeutl -noout -text {file}"
    return TlsFailedError(message, reason="own files", path=str(file), remedy=remedy)
