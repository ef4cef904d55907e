"""One spec on one platform: which branches there are, and how they come together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from buildkit_spec import llb
from buildkit_spec.plan import (
    apt,
    commands,
    conda,
    cuda,
    files,
    flyte,
    managed_python,
    projects,
    python,
    python_layers,
    user,
    uv,
)
from buildkit_spec.plan.assembly import Assembly
from buildkit_spec.plan.checks import (
    conda_problems,
    fits,
    layer_problems,
    python_problems,
    refuse,
    system_problems,
)
from buildkit_spec.plan.groups import LayerGroup
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.lock import Lock
from buildkit_spec.plan.probe import PROBE_PATH, Probe, probe_args
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.stage import Stage
from buildkit_spec.plan.steps import Context
from buildkit_spec.plan.wanted import wanted_of, wants_interpreter
from buildkit_spec.spec.defaults import DEFAULT_PYTHON
from buildkit_spec.spec.environment import IMAGE_ID
from buildkit_spec.spec.installer_args import divide

WORKDIR = "/root"
"""Where files go and where the container starts, as in Flyte's own images."""

MOST_LAYERS = 127
"""What runtimes can stack, the base's layers included. Source: Moby, ``layer/layer_store.go``."""

_PROBE_DIR = f"{RUN_DIR}/probe"


@dataclass(frozen=True, slots=True)
class Layout:
    """What one spec makes of its base.

    Attributes:
        stages: In the order of the image's layers; the base is not among them.
        state: The file system.
        config: The image config.
        layers: How many layers it has at most, the base's included.
        lock: What the resolver found; None when nothing was asked.
    """

    stages: tuple[Stage, ...]
    state: llb.State
    config: ImageConfig
    layers: int
    lock: Lock | None


def lay_out(context: Context, questions: Questions, base: Stage, layers: int) -> Layout:
    """Lay out the graph of one spec.

    ::

        base ─┬─ apt ─ user ─┬─ copied files
              │              └─ source files
              └─ layer group, layer group, …, uv        each on the base alone
        all merged ─ packages built from source ─ commands

    With commands, the source files come on top of what they leave.

    Args:
        context: The platform's context, not probed yet.
        questions: Who answers what the base holds and what the resolver finds.
        base: The stage of the base image.
        layers: How many layers that has.

    Raises:
        SpecValidationError: The spec asks for what its base image cannot give; all of it at once.
        SolveError: The base image cannot be asked, or there is no solution.
    """
    return _LayingOut(context, questions, base, layers).run()


class _LayingOut:
    def __init__(self, context: Context, questions: Questions, base: Stage, layers: int) -> None:
        self._context = context
        self._questions = questions
        self._base = base
        self._base_layers = self._layers = layers
        self._stages: list[Stage] = []
        self._lock: Lock | None = None
        self._can_merge = questions.supports("mergeop") and questions.supports("diffop")
        self._assembly = Assembly(base.state, can_merge=self._can_merge, label=context.label)

    def run(self) -> Layout:
        spec, options = self._context.spec, self._context.spec.builder_options
        workdir = options.workdir or (self._context.config.workdir if options.plain else WORKDIR)
        owner = options.user or self._context.config.user
        debian = sorted({*(spec.apt_packages or ()), *cuda.apt_packages(spec)})
        if debian or wants_interpreter(spec) or options.like_flyte:
            self._probe(self._base)
            refuse(system_problems(self._context))
            debian = sorted({*debian, *flyte.apt_packages(self._context)})
        system = self._base
        if debian:
            system = self._grow(
                "apt",
                self._field_of_apt(),
                lambda state: apt.install(self._context, state, debian),
            )
        if options.user:
            system = self._grow(
                "user",
                "builder_options.user",
                lambda state: user.make(self._context, state, owner, workdir),
            )
        self._uv()
        if wants_interpreter(spec):
            holder = self._interpreter(system)
            if cuda.wants_python(spec):
                self._python(system, holder)
        if spec.copy_selection() is not None:
            self._branch("copy", "copy", system, self._copied(files.COPY, owner))
        for index in range(len(spec.commands or ())):
            name = f"commands[{index}]"
            self._grow(name, name, self._command(index))
        if spec.source_selection() is not None:
            step = self._copied(files.SOURCE, owner)
            if spec.commands:
                self._grow("source", "source_root", step)
            else:
                self._branch("source", "source_root", system, step)
        refuse(layer_problems(self._context, self._base_layers, self._layers, MOST_LAYERS))
        return Layout(
            tuple(self._stages),
            self._assembly.join(),
            self._final_config(),
            self._layers,
            self._lock,
        )

    # --- concerns

    def _uv(self) -> None:
        """Add the program ``uv``, if the image is to hold it."""
        path = self._context.spec.builder_options.uv_path
        if path:
            self._branch(
                "uv",
                "builder_options.uv_path",
                self._base,
                lambda state: uv.place(self._context, state, path),
            )

    def _interpreter(self, system: Stage) -> Stage:
        """Find the interpreter, and return the stage that the packages are installed on."""
        spec, holder = self._context.spec, self._base
        if spec.conda_packages:
            holder = self._conda()
            if self._context.probe.python:
                refuse(conda_problems(self._context))
                return holder
            self._probe(holder)
            if not cuda.wants_python(spec):
                return holder
        elif apt.may_bring(self._context, "python"):
            holder = system
            self._probe(holder)
        refuse(python_problems(self._context))
        if not fits(self._context):
            version = spec.python_version or DEFAULT_PYTHON
            holder = self._branch(
                "interpreter",
                "python_version" if spec.python_version else "base_image",
                holder,
                lambda state: managed_python.install(self._context, state, version),
            )
            config = managed_python.config(self._context.config)
            self._context = replace(self._context, config=config)
            self._probe(holder, managed_python.INTERPRETER)
        return holder

    def _conda(self) -> Stage:
        """Add the environment of conda packages; it may hold an interpreter."""
        needs_python = not fits(self._context)
        stage = self._branch(
            "conda",
            "conda_packages",
            self._base,
            lambda state: conda.install(self._context, state, needs_python=needs_python),
        )
        self._context = replace(self._context, config=conda.config(self._context.config))
        self._probe(stage, conda.INTERPRETER)
        return stage

    def _probe(self, stage: Stage, python: str = "") -> None:
        """Look what a stage holds: of interpreters *python*, or what the spec wants."""
        self._context = replace(self._context, probe=self._ask(stage.state, python))

    def _python(self, system: Stage, holder: Stage) -> None:
        context, spec = self._context, self._context.spec
        lock = self._lock = python_layers.resolve(
            context,
            self._questions,
            wanted_of(context, self._questions, holder.state),
            holder.state,
            system.state,
        )
        # Every command, and the four stages around them, may need one of the layers too.
        others = len(spec.commands or ()) + 4
        places = projects.places_of(spec)
        groups, sources = python_layers.groups_of(
            context, lock, projects.own_packages(places), MOST_LAYERS - self._layers - others
        )
        field = "packages" if spec.packages else "requirements"
        for group in groups:
            stage = f"python {group.name}"
            self._branch(stage, field, holder, self._installed(group, stage))
        for place in places:
            if place.requirement.is_editable:
                self._branch(place.local_name, field, system, self._placed(place))
        if sources:
            mounts = projects.mounts(context, places, has_editable=False)
            step = self._installed(sources, "python sources", mounts, is_building=True)
            self._grow("python sources", field, step)

    def _placed(self, place: projects.Place) -> Callable[[llb.State], llb.State]:
        owner = self._context.spec.builder_options.user or self._context.config.user
        return lambda state: projects.copy(self._context, state, place, owner)

    def _installed(
        self,
        group: LayerGroup,
        stage: str,
        mounts: Sequence[llb.Mount] = (),
        *,
        is_building: bool = False,
    ) -> Callable[[llb.State], llb.State]:
        context = replace(self._context, is_building=is_building)
        arguments = divide(context.spec.pip_extra_args or "").install
        return lambda state: python.install(
            context, state, group, stage=stage, arguments=arguments, mounts=mounts
        )

    def _copied(self, local_name: str, owner: str) -> Callable[[llb.State], llb.State]:
        spec, place = self._context.spec, self._context.spec.builder_options.copy_to
        one = files.only_file(spec) if place and local_name == files.COPY else ""
        return lambda state: files.copy_tree(
            self._context, state, local_name, place or WORKDIR, owner=owner, one=one
        )

    def _command(self, index: int) -> Callable[[llb.State], llb.State]:
        return lambda state: commands.run_command(self._context, state, index)

    def _ask(self, state: llb.State, python: str) -> Probe:
        context, spec = self._context, self._context.spec
        output = f"{_PROBE_DIR}{PROBE_PATH}"
        answers = state.run(
            probe_args(
                spec.python_version or "",
                python or spec.python_exec or "",
                output,
                certificates=spec.builder_options.like_flyte,
            ),
            name=context.name("base", "look what it holds"),
            env={"PATH": context.config.path},
            user="0:0",
            cwd="/",
            mounts=[llb.Bind(_PROBE_DIR, source=llb.scratch())],
            network=llb.Network.NONE,
        ).mount(_PROBE_DIR)
        text = self._questions.read_file(answers, PROBE_PATH, context.platform)
        return Probe.parse(text.decode(errors="replace"))

    def _field_of_apt(self) -> str:
        spec = self._context.spec
        if spec.apt_packages:
            return "apt_packages"
        return "cuda" if cuda.apt_packages(spec) else "builder_options.like_flyte"

    def _final_config(self) -> ImageConfig:
        context = self._context
        spec, options = context.spec, context.spec.builder_options
        # Sorted: the tag does not tell one order from another, so the image must not either.
        given = dict(sorted((spec.env or {}).items()))
        id = options.image_id or ("" if options.plain else spec.id)
        env = {
            **({} if options.plain else {"PYTHONPATH": WORKDIR}),
            **flyte.defaults(spec),
            **given,
            **({IMAGE_ID: id} if id else {}),
        }
        config = flyte.config(spec, cuda.config(context, context.config).with_env(env))
        if spec.entrypoint is not None:
            config = config.with_entrypoint(spec.entrypoint)
        return replace(
            config,
            user=options.user or config.user,
            workdir=options.workdir or (config.workdir if options.plain else WORKDIR),
            labels={**config.labels, **options.labels},
        )

    # --- stages

    def _branch(
        self, name: str, field: str, on: Stage, step: Callable[[llb.State], llb.State]
    ) -> Stage:
        """Add a stage that is built on *on* alone, if the daemon can merge."""
        if not self._can_merge:
            on = self._last
        return self._add(name, field, self._assembly.branch(on.state, step), (on.name,))

    def _grow(self, name: str, field: str, step: Callable[[llb.State], llb.State]) -> Stage:
        """Add a stage that is built on everything so far."""
        used = {name for stage in self._stages for name in stage.after}
        ends = tuple(stage.name for stage in self._stages if stage.name not in used)
        return self._add(name, field, self._assembly.grow(step), ends or (self._base.name,))

    def _add(self, name: str, field: str, state: llb.State, after: tuple[str, ...]) -> Stage:
        stage = Stage(f"{self._context.prefix}{name}", field, state, after)
        self._stages.append(stage)
        self._layers += 1
        return stage

    @property
    def _last(self) -> Stage:
        return self._stages[-1] if self._stages else self._base
