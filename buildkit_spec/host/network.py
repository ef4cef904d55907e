"""The CA bundle and the proxies that this machine uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CA_VARIABLES = ("BUILDKIT_SPEC_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a bundle (PEM), the first that is set wins."""

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS
)

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def find_ca_bundle(env: Mapping[str, str]) -> Path | None:
    """Return the CA bundle (PEM) that this machine trusts, or None when there is none.

    Args:
        env: The environment; a variable of `CA_VARIABLES` goes before the system's bundle.
    """
    named = [env[name] for name in CA_VARIABLES if env.get(name)]
    for candidate in [*named, *SYSTEM_BUNDLES]:
        if Path(candidate).is_file():
            return Path(candidate)
    return None


def find_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy variables that are set, by lower-case name; upper case counts as well."""
    found = {name: env.get(name) or env.get(name.upper()) or "" for name in _PROXIES}
    return {name: value for name, value in found.items() if value}
