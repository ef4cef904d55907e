"""One index from several builders: each builds the platforms that are its own, by digest.

Emulated, a compiler is some ten times slower; so in a pool with an arm64 machine and an amd64 one
each of them builds its half. Nothing is under the image's name until all of it is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit_spec.parallel import in_parallel
from buildkit_spec.stopwatch import Stopwatch
from buildkit_spec.values import BuildResult, Digest, ImageOutput, Output, Platform, Reference

if TYPE_CHECKING:
    from buildkit_spec.registry import Registry
    from buildkit_spec.spec import ImageSpec
    from buildkit_spec.values import StatusCallback, StatusUpdate

_INDEX = "index:"
_STORE = "store"
"""Exporter attribute: ``false`` keeps the image out of the daemon's store. Source:
``exporter/containerimage/exptypes/keys.go``."""
_KEYS = ("containerimage.digest", "image.name")

BuildPart = Callable[
    [Sequence[Platform], Sequence[Output], Stopwatch, "StatusCallback | None"], BuildResult
]
"""Builds the image of some of its platforms on the builder that suits them."""


def can_be_split(spec: ImageSpec) -> bool:
    """Whether an image may be made by several builders.

    Not when its cache is written: what two builders write to one place is what the last one knows.
    """
    return len(spec.platforms()) > 1 and not spec.builder_options.cache_to


def build_apart(
    spec: ImageSpec,
    groups: Sequence[Sequence[Platform]],
    outputs: Sequence[ImageOutput],
    reference: Reference,
    build_part: BuildPart,
    registry: Registry,
    clock: Stopwatch,
    on_status: StatusCallback | None,
) -> BuildResult:
    """Build groups of platforms at once, and push the index of what came of them.

    Args:
        spec: What the image is to hold.
        groups: Its platforms, by builder.
        outputs: All of them pushes.
        reference: What the image is called where an output does not say.
        build_part: Builds one group.
        registry: Where the index is put.
        clock: Takes the times of the phases: of each phase that of the slowest group.
        on_status: Told what happens, on a thread of one of the builds.

    Raises:
        BuildkitSpecError: What `BuildkitBuilder.build` raises; the image under this name is as it
            was.
    """
    names = tuple(dict.fromkeys(name for one in outputs for name in one.names or (reference,)))
    annotations = spec.builder_options.annotations
    # A part is wanted in the registry only. In a daemon's store all of them would have one name,
    # and two that are stored at once fail.
    parts = [
        replace(one, names=names, is_by_digest=True, attrs={**one.attrs, _STORE: "false"})
        for one in outputs[:1]
    ]
    clocks = [Stopwatch() for _ in groups]
    tell = _one_at_a_time(on_status)

    def build(at: int) -> BuildResult:
        return build_part(groups[at], parts, clocks[at], tell)

    results = in_parallel(build, range(len(groups)))
    for name in {phase: 0 for one in clocks for phase in one.seconds}:
        clock.seconds[name] = clock.seconds.get(name, 0.0) + max(
            one.seconds.get(name, 0.0) for one in clocks
        )
    made: dict[Platform, Digest] = {}
    for one in results:
        assert one.digest is not None
        made |= dict.fromkeys(one.platforms, one.digest)
    with clock.phase("export"):
        digest = registry.join(
            names,
            {platform: made[platform] for platform in spec.platforms()},
            {
                key.removeprefix(_INDEX): value
                for key, value in annotations.items()
                if key.startswith(_INDEX)
            },
        )
    metadata = (str(digest), ",".join(map(str, names)))
    return BuildResult(
        names[0].with_digest(digest),
        digest,
        spec.platforms(),
        was_pushed=True,
        timings_s=clock.seconds,
        steps=tuple(step for one in results for step in one.steps),
        address=", ".join(dict.fromkeys(one.address for one in results)),
        ref=", ".join(one.ref for one in results),
        metadata=dict(zip(_KEYS, metadata, strict=True)),
    )


def _one_at_a_time(on_status: StatusCallback | None) -> StatusCallback | None:
    """Return a callback that several builds may call: it is told what it would be of one."""
    if on_status is None:
        return None
    lock = threading.Lock()

    def tell(update: StatusUpdate) -> None:
        with lock:
            on_status(update)

    return tell
