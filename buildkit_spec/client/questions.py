"""`GatewayQuestions`: what a plan asks about the world, answered through a running build."""

from __future__ import annotations

from collections.abc import Sequence

from buildkit_spec.client._registry_words import Trouble, diagnose
from buildkit_spec.client.exporters import CacheEntry
from buildkit_spec.client.gateway import Gateway
from buildkit_spec.errors import BuildkitSpecError, RegistryError
from buildkit_spec.llb import State
from buildkit_spec.values import Platform, Reference, RegistryConfig, ResolvedImage


class GatewayQuestions:
    """Answers a plan's questions, those of `buildkit_spec.plan.questions.Questions`.

    Args:
        gateway: Of the running build.
        registries: Where images come from that do not come from where their name says.
        cache_imports: Where the results of steps may come from.
        session_id: The build's: two at once must not share each other's files.
    """

    def __init__(
        self,
        gateway: Gateway,
        registries: RegistryConfig,
        cache_imports: Sequence[CacheEntry] = (),
        *,
        session_id: str,
    ) -> None:
        self._session_id = session_id
        self._gateway = gateway
        self._registries = registries
        self._cache_imports = cache_imports

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        """See `Questions.resolve_image`; the answer's reference is the mirror's if it has it."""
        missed = ""
        mirrored = self._registries.mirrored(reference)
        if mirrored != reference:
            try:
                return self._resolve(mirrored, platform)
            except RegistryError as error:
                missed = f"; and from its mirror: {error.message}"
        try:
            return self._resolve(reference, platform)
        except RegistryError as error:
            error.message += missed
            raise

    def _resolve(self, reference: Reference, platform: Platform) -> ResolvedImage:
        try:
            return self._gateway.resolve_image(reference, platform)
        except RegistryError as error:
            name_certificates(error, self._registries, reference.registry)
            raise

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        """See `Questions.read_file`."""
        definition = state.marshal(platform=platform, local_unique_id=self._session_id)
        solved = self._gateway.solve(definition, cache_imports=self._cache_imports)
        return solved.read_file(path)

    def supports(self, capability: str) -> bool:
        """See `Questions.supports`."""
        return self._gateway.llb_caps.supports(capability)


def name_certificates(error: BuildkitSpecError, registries: RegistryConfig, host: str) -> None:
    """Let an error say which certificates the daemon lacks, where they are known here.

    Args:
        error: What a daemon could not do with a registry.
        registries: How registries are reached.
        host: The registry, with optional port.
    """
    is_about_tls = diagnose(error.message) is Trouble.UNTRUSTED
    if is_about_tls and registries.of(host).has_certificates:
        error.remedy = registries.daemon_remedy(host)
