"""New certificates: pure, the clock and the dates are the caller's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.certs.certificate import CLIENT, SERVER, Certificate
from buildkit_spec.errors import CertificateError, InvalidValueError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificateIssuerPublicKeyTypes,
    )

_SKEW = timedelta(hours=1)
"""How far clocks of machines may be behind: certificates hold from so long ago."""

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
# OpenSSL takes no ``*.lab``: that would be everybody's.
_DNS_NAME = re.compile(rf"(\*\.{_LABEL}\.)?{_LABEL}(\.{_LABEL})*", re.I)
_MAX_NAME = 253


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM."""

    cert: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs.

    Attributes:
        certificate: Its own.
        key: The key that signs.
    """

    certificate: Certificate
    key: CertificateIssuerPrivateKeyTypes


def new_authority(name: str, now: datetime, days: int) -> Pair:
    """Return an authority that signs servers and clients, but no other authorities.

    Args:
        name: Its own, for people.
        now: The present, UTC.
        days: How long it holds.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = _begin(subject, subject, key.public_key(), now, now + timedelta(days=days))
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _finish(builder, key, private_pem(key))


def new_leaf(
    authority: Authority,
    name: str,
    purpose: str,
    names: Sequence[str],
    now: datetime,
    days: int,
    key_pem: bytes = b"",
) -> Pair:
    """Return a certificate of a server or a client.

    Args:
        authority: Who signs it; it does not outlive that.
        name: Whose it is, for people.
        purpose: `SERVER` or `CLIENT`.
        names: DNS names and IP addresses, as `check_name` returns them.
        now: The present, UTC.
        days: How long it holds.
        key_pem: Its key; empty for a new one.

    Raises:
        CertificateError: *key_pem* is no key that can be used.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = load_key(key_pem) if key_pem else ec.generate_private_key(ec.SECP256R1())
    issuer, public = authority.certificate, key.public_key()
    until = min(now + timedelta(days=days), issuer.not_after)
    usage = {SERVER: ExtendedKeyUsageOID.SERVER_AUTH, CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}
    identifier = issuer.body.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _begin(_subject(name), issuer.body.subject, public, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage[purpose]]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName(list(map(_general_name, names)))
        builder = builder.add_extension(alternatives, critical=False)
    return _finish(builder, authority.key, key_pem or private_pem(key))


def check_name(text: str) -> str:
    """Return a DNS name in lower case, or an IP address in its shortest form.

    Raises:
        InvalidValueError: It is neither.
    """
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    # A name of digits alone would be an address with a part missing.
    if (
        _DNS_NAME.fullmatch(text)
        and len(text) <= _MAX_NAME
        and not text.rpartition(".")[2].isdigit()
    ):
        return text.lower()
    raise InvalidValueError(
        text,
        "a certificate is for a host name or an IP address",
        remedy="--san builder.example.com, without scheme and port",
    )


def load_key(data: bytes, path: Path | str = "") -> CertificateIssuerPrivateKeyTypes:
    """Return a key from its PEM.

    Args:
        data: The PEM.
        path: Where it is from, for the message.

    Raises:
        CertificateError: It is none, has a password, or cannot sign.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = "has a password" if isinstance(error, TypeError) else "holds no key in PEM"
        raise CertificateError(f"{path or 'the key'} {why}", path=str(path)) from error
    if not isinstance(
        key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)
    ):
        raise CertificateError(f"{path or 'the key'} is of a kind not used here", path=str(path))
    return key


def private_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Return a key as PEM (PKCS 8), without a password: daemons ask for none."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificateIssuerPublicKeyTypes,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(until)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _finish(
    builder: x509.CertificateBuilder, key: CertificateIssuerPrivateKeyTypes, own_key: bytes
) -> Pair:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = builder.sign(key, algorithm)
    return Pair(signed.public_bytes(serialization.Encoding.PEM), own_key)
