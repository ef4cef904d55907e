"""From an image spec to a plan: what is asked, which stages there are, what the config says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Protocol

from buildkit_spec import llb
from buildkit_spec.plan import lock_file
from buildkit_spec.plan.checks import refuse
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.layout import lay_out
from buildkit_spec.plan.probe import Probe
from buildkit_spec.plan.questions import Questions, Remembering
from buildkit_spec.plan.served import lineage
from buildkit_spec.plan.settings import Settings
from buildkit_spec.plan.stage import Plan, PlatformPlan, Stage
from buildkit_spec.plan.steps import Context
from buildkit_spec.plan.tools import with_resolved_tools
from buildkit_spec.spec import ImageSpec
from buildkit_spec.values import Platform, Reference

_BASE_REMEDY = "build it from a file of its own, with a lock, and name its image in base_image"


class ForEach(Protocol):
    """Calls a function with every platform, one after the other or at once."""

    def __call__(
        self, make: Callable[[Platform], PlatformPlan], platforms: Sequence[Platform], /
    ) -> Iterable[PlatformPlan]:
        """Return what it makes of them, in their order."""


def make_plan(
    spec: ImageSpec,
    questions: Questions,
    settings: Settings,
    platforms: Sequence[Platform],
    bases: Mapping[str, Reference] = MappingProxyType({}),
    for_each: ForEach = map,
) -> Plan:
    """Lay out the graph of a spec.

    A base image that is a spec itself becomes part of the same graph, unless *bases* names it.

    Args:
        spec: What the image is to hold.
        questions: Who answers what the base image is and holds.
        settings: The builder's side.
        platforms: What to build for, at least one.
        bases: Base images that were built before, by the image name of their spec.
        for_each: How the platforms are gone through.

    Raises:
        SpecValidationError: The spec asks for what its base image cannot give; all of it at once.
        RegistryError: The base image is not there or cannot be told.
        SolveError: The base image cannot be asked.
    """
    chain = lineage(spec, bases)
    is_only = len(platforms) == 1

    def make(platform: Platform) -> PlatformPlan:
        return _plan_platform(chain, questions, settings, platform, bases, is_only=is_only)

    return Plan(tuple(for_each(make, platforms)), settings.epoch_s)


def refuse_unlocked(spec: ImageSpec, *, has_bases: bool = False) -> None:
    """Refuse a spec that may not be resolved anew, and has no lock that fits.

    Args:
        spec: The spec; what it is built on counts too.
        has_bases: Whether base specs with a registry are built by themselves: they are not asked.

    Raises:
        SpecValidationError: It is one.
    """
    if not spec.origin.is_locked:
        return
    problems = [*lock_file.problems(spec), *lock_file.never_locked(spec)]
    field, base = "base_image", spec.base_image
    while isinstance(base, ImageSpec) and not (has_bases and base.registry):
        problems += [
            replace(one, field=f"{field}.{one.field}", remedy=_BASE_REMEDY)
            for one in (*lock_file.problems(base), *lock_file.never_locked(base))
        ]
        field, base = f"{field}.base_image", base.base_image
    refuse(problems)


def _plan_platform(
    chain: Sequence[tuple[str, ImageSpec]],
    questions: Questions,
    settings: Settings,
    platform: Platform,
    bases: Mapping[str, Reference],
    *,
    is_only: bool,
) -> PlatformPlan:
    stages: tuple[Stage, ...] = ()
    state, config, layers = llb.scratch(), ImageConfig(), 0
    questions = Remembering(questions)
    for prefix, wanted in chain:
        spec = with_resolved_tools(wanted, questions, platform)
        context = Context(
            spec=spec,
            platform=platform,
            settings=settings,
            config=config,
            probe=Probe(),
            prefix=prefix,
            label="" if is_only else str(platform),
            has_secret_env=questions.supports("exec.secretenv"),
        )
        if stages:
            base = replace(stages[-1], name=f"{prefix}base", state=state)
        else:
            base, config = _base(context, questions, bases)
            context = replace(context, config=config)
            layers = config.layer_count
            stages = (base,)
        layout = lay_out(context, questions, base, layers)
        stages += layout.stages
        state, config, layers = layout.state, layout.config, layout.layers
    can_merge = questions.supports("mergeop") and questions.supports("diffop")
    asked = tuple(questions.built) if can_merge else ()
    return PlatformPlan(platform, stages, state, config, layout.lock, asked)


def _base(
    context: Context, questions: Questions, bases: Mapping[str, Reference]
) -> tuple[Stage, ImageConfig]:
    named = context.spec.base_image
    if named == "scratch":
        return Stage(f"{context.prefix}base", "base_image", llb.scratch()), ImageConfig()
    if isinstance(named, ImageSpec):
        reference = bases[named.image_name()]
    else:
        reference = Reference.parse(named or context.spec.default_base_image())
    resolved = questions.resolve_image(reference, context.platform)
    config = ImageConfig.parse(resolved.config, origin=reference.familiar)
    state = llb.image(
        str(resolved.reference),
        platform=context.platform,
        name=context.name("base", reference.familiar),
    )
    return Stage(f"{context.prefix}base", "base_image", state), config


def created_time(epoch_s: int) -> str:
    """Return Unix time *epoch_s* as the RFC 3339 text an image config holds."""
    moment = datetime.fromtimestamp(epoch_s, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
