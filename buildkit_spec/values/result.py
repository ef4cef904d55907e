"""What came of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildkit_spec.values.digest import Digest
from buildkit_spec.values.platform import Platform
from buildkit_spec.values.reference import Reference

CONFIG_DIGEST = "containerimage.config.digest"
"""Key of `BuildResult.metadata`. Source: ``exporter/containerimage/exptypes/types.go``."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of a finished build.

    Attributes:
        name: What the step is called.
        is_cached: Whether its result came from the cache.
        duration_s: How long it ran, in seconds; 0 when it was cached.
    """

    name: str
    is_cached: bool
    duration_s: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What came of asking for an image.

    Attributes:
        reference: The image's name with its tag, pinned to *digest* where that is known.
        digest: Of the manifest, or of the index when there are several platforms; None when
            nothing was exported, or only to a Docker Engine that makes the manifest when it pushes.
        platforms: What the image runs on; empty when it was there already.
        was_built: False when the image was in the registry already and nothing was done.
        was_pushed: Whether it was pushed now.
        timings_s: Seconds by phase: ``check``, ``connect``, ``plan``, ``build``, ``export``.
        steps: The steps of the build in the order they began; sources and exports left out.
        address: The daemon that built it; empty when nothing was built.
        ref: The build's id, by which the daemon's history has it; empty when nothing was built.
        metadata: What the exporters answered, by BuildKit's names, such as
            ``containerimage.digest``, ``containerimage.config.digest`` and ``image.name``.
    """

    reference: Reference
    digest: Digest | None
    platforms: tuple[Platform, ...] = ()
    was_built: bool = True
    was_pushed: bool = False
    timings_s: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[StepResult, ...] = ()
    address: str = ""
    ref: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def config_digest(self) -> Digest | None:
        """Of the image's config, which docker calls the image's id; None of several platforms."""
        text = self.metadata.get(CONFIG_DIGEST)
        return Digest(text) if text else None

    @property
    def cached_steps(self) -> tuple[str, ...]:
        """Names of the steps whose results came from the cache."""
        return tuple(step.name for step in self.steps if step.is_cached)
