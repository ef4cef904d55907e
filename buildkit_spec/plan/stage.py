"""The plan: for every platform a small graph of named stages."""

from __future__ import annotations

from dataclasses import dataclass

from buildkit_spec import llb
from buildkit_spec.llb import State
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.lock import Lock
from buildkit_spec.values import Platform


@dataclass(frozen=True, slots=True)
class Stage:
    """One concern of the image: its packages, a command, its files.

    Attributes:
        name: Unique in the plan, such as ``apt`` or ``commands[0]``; the names of its vertices
            begin with it in brackets.
        field: The spec's field it comes from.
        state: The file system after it.
        after: Names of the stages it builds on.
    """

    name: str
    field: str
    state: State
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """The stages for one platform, in build order.

    Attributes:
        platform: What the image runs on.
        stages: At least the base, in the order of the image's layers.
        state: The image's file system: all stages together.
        config: The image config.
        lock: Every Python package of the spec, resolved; None when it wants none.
        asked: What was built to lay out the stages, and is in none of them; empty for a daemon
            that cannot merge.
    """

    platform: Platform
    stages: tuple[Stage, ...]
    state: State
    config: ImageConfig
    lock: Lock | None = None
    asked: tuple[State, ...] = ()

    def with_asked(self) -> State:
        """Return the image's file system, made from what was asked too, which adds nothing to it.

        What a daemon exports as cache is what the result was made from, and nothing else. Without
        the answers in it, another daemon would have to ask the base image and the resolver again,
        and the resolver may know newer packages by then.

        The difference of a file system and itself is none, and a merge of one thing is that thing:
        layers and digest stay. Source: ``solver/llbsolver/export.go`` (``runCacheExporters``),
        ``solver/exporter.go``; ``solver/llbsolver/ops/diff.go``, ``cache/manager.go`` (``Merge``).
        """
        name = "[internal] keep the answers"
        nothing = [llb.diff(one, one, name=name) for one in self.asked]
        return llb.merge([self.state, *nothing], name=name)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built for one spec.

    Attributes:
        platforms: One plan a platform.
        epoch_s: Timestamp of everything in the image, Unix time in seconds.
    """

    platforms: tuple[PlatformPlan, ...]
    epoch_s: int

    def field_of(self, vertex_name: str) -> str:
        """Return the spec's field a vertex comes from, by the vertex' name; empty when none."""
        place, bracket, _ = vertex_name.removeprefix("[").partition("] ")
        if not bracket:
            return ""
        fields = {stage.name: stage.field for one in self.platforms for stage in one.stages}
        # A platform may stand before the stage.
        return fields.get(place) or fields.get(place.partition(" ")[2], "")


_FIELDS = {
    "apt": "apt_packages",
    "base": "base_image",
    "conda": "conda_packages",
    "interpreter": "python_version",
    "lock": "packages",
}
"""Fields of the stages that are built while the plan is still made."""


def field_of_question(vertex_name: str) -> str:
    """Return the spec's field of a vertex that is built to ask something; empty when none."""
    place, bracket, _ = vertex_name.removeprefix("[").partition("] ")
    stage = place.rpartition(" ")[2].rpartition(".")[2]
    return _FIELDS.get(stage, "") if bracket else ""
