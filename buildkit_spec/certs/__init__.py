"""Certificates for builder machines: an authority, servers, clients; and what a certificate says.

Names are imported when they are first used: ``cryptography`` takes its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names

if TYPE_CHECKING:
    from buildkit_spec.certs.certificate import Certificate, parse_certificate, read_certificates
    from buildkit_spec.certs.files import is_exposed
    from buildkit_spec.certs.inspection import Finding, inspect
    from buildkit_spec.certs.store import add_client, add_server, init, renew

__all__ = [
    "Certificate",
    "Finding",
    "add_client",
    "add_server",
    "init",
    "inspect",
    "is_exposed",
    "parse_certificate",
    "read_certificates",
    "renew",
]

_MODULES = {
    "Certificate": "certificate",
    "Finding": "inspection",
    "add_client": "store",
    "add_server": "store",
    "init": "store",
    "inspect": "inspection",
    "is_exposed": "files",
    "parse_certificate": "certificate",
    "read_certificates": "certificate",
    "renew": "store",
}

__getattr__ = lazy_names(__name__, _MODULES)
