"""The caches of one build: what of a spec's goes to the daemon, and what cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from buildkit_spec.client import CacheEntry, LocalCaches
from buildkit_spec.session import Attachable
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.caches import caches_with_logins, missing_login
from buildkit_spec.values import Reference


class Caches:
    """Where results come from and go to.

    Args:
        spec: Its ``cache_from`` and ``cache_to``.
        env: Has the logins that a spec must not.
        is_insecure: Whether a registry may be spoken to over plain http.

    Attributes:
        imports: Where results come from, as it goes to the daemon.
        exports: Where they go to, likewise.
        left_out: What is in neither, a line for each.
    """

    def __init__(
        self, spec: ImageSpec, env: Mapping[str, str], is_insecure: Callable[[str], bool]
    ) -> None:
        options = spec.builder_options
        self._is_insecure = is_insecure
        self._local = LocalCaches(
            spec.origin.root, options.cache_from, options.cache_to, options.wire_compression
        )
        self.left_out: list[str] = []
        self.imports = self._entries("cache_from", options.cache_from, env)
        self.exports = self._entries("cache_to", options.cache_to, env)

    def attachables(self) -> Sequence[Attachable]:
        """Return what serves those on this machine in the build's session."""
        return self._local.attachables()

    def finish(self, answers: Mapping[str, str]) -> None:
        """See `LocalCaches.finish`."""
        self._local.finish(answers)

    def _entries(
        self, field: str, entries: Iterable[Mapping[str, str]], env: Mapping[str, str]
    ) -> tuple[CacheEntry, ...]:
        for entry in entries:
            if variable := missing_login(entry, env):
                self.left_out.append(
                    f"{field}: type={entry['type']} is passed over, as {variable} is not set;"
                    " on a runner of GitHub's a step must hand it on (docs/ci.md)"
                )
        found: list[CacheEntry] = []
        for attrs in caches_with_logins(entries, env):
            if attrs["type"] == "local":
                if local := self._local.entry(attrs):
                    found.append(local)
                else:
                    self.left_out.append(f"{field}: there is no cache in {attrs['src']} yet")
                continue
            kind, ref = attrs.pop("type"), attrs.get("ref")
            if ref and self._is_insecure(Reference.parse(ref).registry):
                attrs.setdefault("registry.insecure", "true")
            found.append(CacheEntry(kind, attrs))
        return tuple(found)
