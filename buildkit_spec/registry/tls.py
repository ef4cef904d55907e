"""TLS settings: whom we trust, at the least cost at start-up."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildkit_spec.errors import RegistryError
from buildkit_spec.registry.hosts import canonical_host
from buildkit_spec.values import RegistryConfig

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, OpenBSD
)
"""Where systems keep all their certificates in one file."""


class Trusts:
    """Whom TLS trusts, and as whom it speaks, by registry.

    Args:
        ca_file: Certificates (PEM) trusted beside the system's for all registries; None for none.
        env: See `Trust`.
        config: Registries with certificates of their own.
        bundles: See `Trust`.
    """

    def __init__(
        self,
        ca_file: str | Path | None,
        env: Mapping[str, str],
        config: RegistryConfig,
        *,
        bundles: Sequence[str] = SYSTEM_BUNDLES,
    ) -> None:
        self._common = Trust([ca_file] if ca_file else [], env, bundles=bundles)
        self._own = {
            one.host: Trust(
                [file for file in (ca_file, one.ca_file) if file],
                env,
                client=(one.cert_file, one.key_file) if one.cert_file else None,
                bundles=bundles,
            )
            for one in config.registries
            if one.has_certificates
        }

    def of(self, registry: str) -> Trust:
        """Return whom to trust in talks about a registry, also with its token server."""
        return self._own.get(canonical_host(registry), self._common)


class Trust:
    """Makes the TLS contexts of connections that trust the same.

    Reading a distribution's bundle costs some 40 ms, a third of a no-change build. Where the
    distribution also keeps its certificates by hash, OpenSSL opens the one it needs instead; the
    bundle is read only when that does not do (somebody appended to it by hand).

    Args:
        ca_files: Certificates (PEM) trusted beside the system's.
        env: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace the system's certificates, as in
            OpenSSL.
        client: Certificate and key (PEM) to show whoever asks; None for none.
        bundles: Where systems keep all their certificates in one file.
    """

    def __init__(
        self,
        ca_files: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        client: tuple[str, str] | None = None,
        bundles: Sequence[str] = SYSTEM_BUNDLES,
    ) -> None:
        self._bundles = bundles
        self._extra = [str(file) for file in ca_files]
        self._client = client
        self._file = env.get("SSL_CERT_FILE") or ""
        self._directory = env.get("SSL_CERT_DIR") or ""
        self._hashed = self._hashed_directory()
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def is_partial(self) -> bool:
        """Whether `context` reads less than all there is unless told *is_whole*."""
        return bool(self._hashed)

    def context(self, *, is_whole: bool = False) -> ssl.SSLContext:
        """Return a context that checks certificates and names.

        Args:
            is_whole: Read the system's bundle even when its certificates are there by hash.

        Raises:
            RegistryError: A file that was named cannot be read as PEM.
        """
        key = "whole" if is_whole or not self.is_partial else "hashed"
        if key not in self._contexts:
            context = self._client_context()
            if key == "hashed":
                context.load_verify_locations(capath=self._hashed)
            elif self._file or self._directory:
                _load(context, self._file, self._directory)
            else:
                self._load_system(context)
            for file in self._extra:
                _load(context, file, "")
            self._contexts[key] = context
        return self._contexts[key]

    def unchecked_context(self) -> ssl.SSLContext:
        """Return a context that checks nothing: for hosts that may be spoken to in the clear."""
        if "unchecked" not in self._contexts:
            context = self._client_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._contexts["unchecked"] = context
        return self._contexts["unchecked"]

    def _hashed_directory(self) -> str:
        """Return the directory that holds the same certificates as the bundle by hash."""
        bundle = Path(self._file) if self._file else self._system_bundle()
        if bundle is None or str(bundle) not in self._bundles:
            return ""
        directory = bundle.parent
        if self._directory and Path(self._directory) != directory:
            return ""
        with os.scandir(directory) as entries:
            return str(directory) if any(entry.name.endswith(".0") for entry in entries) else ""

    def _system_bundle(self) -> Path | None:
        return next((Path(name) for name in self._bundles if Path(name).is_file()), None)

    def _load_system(self, context: ssl.SSLContext) -> None:
        # OpenSSL's own defaults are where its builder kept certificates: not always here.
        if bundle := self._system_bundle():
            context.load_verify_locations(cafile=bundle)
        else:
            context.set_default_verify_paths()

    def _client_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self._client is not None:
            try:
                # Without a password it would be asked for on the terminal.
                context.load_cert_chain(*self._client, password="")
            except (OSError, ssl.SSLError) as error:
                raise RegistryError(
                    f"cannot use the client certificate {self._client[0]} with the key "
                    f"{self._client[1]}",
                    remedy="both must be PEM, belong together, and the key have no password",
                ) from error
        return context


def _load(context: ssl.SSLContext, file: str, directory: str) -> None:
    try:
        context.load_verify_locations(cafile=file or None, capath=directory or None)
    except (OSError, ssl.SSLError) as error:
        raise RegistryError(
            f"cannot read the certificates to trust: {file or directory} "
            f"({'not PEM' if isinstance(error, ssl.SSLError) else error.strerror})",
            remedy="SSL_CERT_FILE, or registry_config, must name a file of PEM certificates",
        ) from error
