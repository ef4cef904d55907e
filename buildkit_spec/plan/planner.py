"""From an image spec to a plan: what is asked, which stages there are, what the config says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType

from buildkit_spec import llb
from buildkit_spec.plan import apt, commands, files, python, user
from buildkit_spec.plan.checks import probe_problems, refuse, unsupported_problems
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.probe import PROBE_PATH, Probe, probe_args
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.served import lineage
from buildkit_spec.plan.settings import RUN_DIR, Settings
from buildkit_spec.plan.stage import Plan, PlatformPlan, Stage
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec, requirement_files
from buildkit_spec.spec.environment import IMAGE_ID
from buildkit_spec.values import Platform, Reference

WORKDIR = "/root"
"""Where files go and where the container starts, as in Flyte's own images."""

_PROBE_DIR = f"{RUN_DIR}/probe"


def make_plan(
    spec: ImageSpec,
    questions: Questions,
    settings: Settings,
    platforms: Sequence[Platform],
    bases: Mapping[str, Reference] = MappingProxyType({}),
) -> Plan:
    """Lay out the graph of a spec.

    A base image that is a spec itself becomes part of the same graph, unless *bases* names it.

    Args:
        spec: What the image is to hold.
        questions: Who answers what the base image is and holds.
        settings: The builder's side.
        platforms: What to build for, at least one.
        bases: Base images that were built before, by the image name of their spec.

    Raises:
        SpecValidationError: The spec asks for what its base image cannot give; all of it at once.
        RegistryError: The base image is not there or cannot be told.
        SolveError: The base image cannot be asked.
    """
    chain = lineage(spec, bases)
    plans = tuple(
        _plan_platform(chain, questions, settings, platform, bases, is_only=len(platforms) == 1)
        for platform in platforms
    )
    return Plan(plans, settings.epoch_s)


def refuse_unsupported(spec: ImageSpec) -> None:
    """Refuse what this release cannot honour, in the spec or in its base specs: nothing is ignored.

    Raises:
        SpecValidationError: There is such a field; all of them.
    """
    members = [member for _, member in lineage(spec, {})]
    refuse([problem for member in members for problem in unsupported_problems(member)])


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
    config = ImageConfig()
    for prefix, spec in chain:
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
            base = replace(stages[-1], name=f"{prefix}base")
        else:
            base, config = _base(context, questions, bases)
            context = replace(context, config=config)
            stages = (base,)
        if _needs_probe(spec):
            context = replace(context, probe=_ask(context, questions, base.state))
            refuse(probe_problems(context))
        stages += tuple(_stages(context, stages[-1]))
        config = _final_config(context)
    return PlatformPlan(platform, stages, config)


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


def _needs_probe(spec: ImageSpec) -> bool:
    return bool(spec.apt_packages or spec.packages or spec.requirements)


def _ask(context: Context, questions: Questions, state: llb.State) -> Probe:
    spec = context.spec
    answers = state.run(
        probe_args(spec.python_version or "", spec.python_exec or "", f"{_PROBE_DIR}{PROBE_PATH}"),
        name=context.name("base", "look what it holds"),
        env={"PATH": context.config.path},
        user="0:0",
        cwd="/",
        mounts=[llb.Bind(_PROBE_DIR, source=llb.scratch())],
        network=llb.Network.NONE,
    ).mount(_PROBE_DIR)
    text = questions.read_file(answers.marshal(platform=context.platform), PROBE_PATH)
    return Probe.parse(text.decode(errors="replace"))


def _stages(context: Context, base: Stage) -> Iterator[Stage]:
    """Yield the stages of one spec: what changes seldom first, the user's sources last."""
    spec, options = context.spec, context.spec.builder_options
    workdir = options.workdir or WORKDIR
    owner = options.user or context.config.user
    previous = base

    def stage(name: str, field: str, state: llb.State) -> Stage:
        nonlocal previous
        previous = Stage(f"{context.prefix}{name}", field, state, (previous.name,))
        return previous

    if options.user:
        yield stage("user", "builder_options.user", user.make(context, base.state, owner, workdir))
    if spec.apt_packages:
        yield stage("apt", "apt_packages", apt.install(context, previous.state, spec.apt_packages))
    if spec.packages or spec.requirements:
        state = python.install(context, previous.state, requirement_files(spec))
        yield stage("python", "packages" if spec.packages else "requirements", state)
    if spec.copy_selection() is not None:
        state = files.copy_tree(context, previous.state, files.COPY, WORKDIR, owner=owner)
        yield stage("copy", "copy", state)
    for index in range(len(spec.commands or ())):
        name = f"commands[{index}]"
        yield stage(name, name, commands.run_command(context, previous.state, index))
    if spec.source_selection() is not None:
        state = files.copy_tree(context, previous.state, files.SOURCE, WORKDIR, owner=owner)
        yield stage("source", "source_root", state)


def _final_config(context: Context) -> ImageConfig:
    spec, options = context.spec, context.spec.builder_options
    # Sorted: the tag does not tell one order from another, so the image must not either.
    given = dict(sorted((spec.env or {}).items()))
    env = {"PYTHONPATH": WORKDIR, **given, IMAGE_ID: spec.id}
    config = context.config.with_env(env)
    if spec.entrypoint is not None:
        config = config.with_entrypoint(spec.entrypoint)
    return replace(
        config,
        user=options.user or config.user,
        workdir=options.workdir or WORKDIR,
        labels={**config.labels, **options.labels},
    )


def created_time(epoch_s: int) -> str:
    """Return Unix time *epoch_s* as the RFC 3339 text an image config holds."""
    moment = datetime.fromtimestamp(epoch_s, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
