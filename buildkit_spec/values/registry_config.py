"""`RegistryConfig`: how registries are reached that need more than their name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from buildkit_spec.values.reference import Reference


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How one registry is reached.

    Attributes:
        host: Host with optional port, lower case; ``docker.io`` for Docker Hub.
        is_http: Whether it speaks plain http, and not TLS.
        ca_file: Certificates (PEM) trusted for it beside the system's; empty for none.
        cert_file: Client certificate (PEM) to show it; empty for none.
        key_file: Private key (PEM) of that; empty for none.
        mirror: Registry that images are pulled from in its place, ``host[:port][/path]``: they
            have the same names there, below the path. Empty for none.
    """

    host: str
    is_http: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    mirror: str = ""

    @property
    def has_certificates(self) -> bool:
        """Whether there are certificates that whoever speaks to it must have."""
        return bool(self.ca_file or self.cert_file)


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """How registries are reached, by host; each at most once.

    Attributes:
        registries: Those that are told of. All others are reached by their name, over TLS.
    """

    registries: tuple[RegistrySettings, ...] = ()

    def of(self, host: str) -> RegistrySettings:
        """Return the settings of a registry, by its host with optional port."""
        host = host.lower()
        return next((one for one in self.registries if one.host == host), RegistrySettings(host))

    def over(self, other: RegistryConfig) -> RegistryConfig:
        """Return both as one; where both tell of a registry, what is told here holds."""
        own = {one.host for one in self.registries}
        rest = tuple(one for one in other.registries if one.host not in own)
        return RegistryConfig(self.registries + rest)

    def mirrored(self, reference: Reference) -> Reference:
        """Return the name that an image has in the mirror of its registry; its own without one.

        Source: BuildKit ``util/resolver/resolver.go``: a mirror's path goes before the repository.
        """
        mirror = self.of(reference.registry).mirror
        if not mirror:
            return reference
        host, _, path = mirror.partition("/")
        repository = f"{path}/{reference.repository}" if path else reference.repository
        return replace(reference, registry=host, repository=repository)

    def daemon_remedy(self, host: str) -> str:
        """Return how a daemon is given a registry's certificates, which it cannot get from us.

        Source: BuildKit ``docs/buildkitd.toml.md``; Docker Engine manual, *Verify repository
        client with certificates*.
        """
        own = self.of(host)
        folder, names, lines = f"/etc/docker/certs.d/{host}", [], []
        if own.ca_file:
            names.append("ca.crt")
            lines.append(f'ca = ["{own.ca_file}"]')
        if own.cert_file:
            names += ["client.cert", "client.key"]
            lines.append(f'keypair = [{{ cert = "{own.cert_file}", key = "{own.key_file}" }}]')
        return (
            "give the daemon, on its own machine, the certificates that registry_config names: "
            f"for Docker {', '.join(names)} in {folder}; for buildkitd {' and '.join(lines)} "
            f'below [registry."{host}"] in buildkitd.toml'
        )
