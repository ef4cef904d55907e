"""From wanted Python packages to layer groups: resolve in the image, read the answer, divide."""

from __future__ import annotations

from dataclasses import replace

from buildkit_spec import llb
from buildkit_spec.plan import locking
from buildkit_spec.plan.checks import refuse
from buildkit_spec.plan.groups import LayerGroup, group
from buildkit_spec.plan.lock import Lock, LockedPackage, read_lock
from buildkit_spec.plan.locking import Wanted
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.steps import Context
from buildkit_spec.plan.wanted import hash_problems, with_hashes


def resolve(
    context: Context, questions: Questions, wanted: Wanted, state: llb.State, whole: llb.State
) -> Lock:
    """Return what is to be installed.

    Packages that only building them can tell the needs of are built where the system's packages
    are: that takes longer, so it is done for those alone.

    Args:
        context: The platform's context; its probe names the interpreter.
        questions: Who runs the resolver.
        wanted: What the spec wants.
        state: What the layer groups are installed into.
        whole: The same with the system's packages.

    Raises:
        SpecValidationError: The user's lock lacks hashes.
        SolveError: There is no solution, or the index cannot be asked.
    """
    wanted = with_hashes(wanted)
    if context.settings.is_upgrade:  # neither the daemon's answer nor what uv keeps of the index
        context = replace(context, is_anew=True)
        wanted = replace(wanted, arguments=(*wanted.arguments, "--refresh"))
    attempts = [(state, False), (whole, True)]
    for root, may_build in attempts:
        here = replace(context, is_building=may_build)
        answer = locking.resolve(here, root, wanted, may_build=may_build)
        document = questions.read_file(answer, locking.ANSWER_PATH, context.platform)
        lock = read_lock(
            document,
            directory=locking.SCRATCH_DIR,
            hashes=wanted.hashes,
            logins=wanted.logins,
        )
        if lock is not None:
            break
    assert lock is not None
    refuse(hash_problems([one.name for one in lock.packages if _has_file(one, wanted)], wanted))
    return lock


def _has_file(package: LockedPackage, wanted: Wanted) -> bool:
    """Whether a package is a file that can be verified: a lock names the commit of a repository."""
    is_commit = wanted.is_complete and package.is_commit
    return not (package.path or is_commit)


def groups_of(
    context: Context, lock: Lock, own: tuple[LockedPackage, ...], most_layers: int
) -> tuple[tuple[LayerGroup, ...], LayerGroup | None]:
    """Divide what must be installed.

    Args:
        context: The platform's context; its probe knows what is installed.
        lock: What the resolver found.
        own: Projects that are installed beside their lock.
        most_layers: How many layers the groups may have.

    Returns:
        The layer groups of wheels, and what is built from source behind them, if anything.
    """
    missing = [one for one in lock.packages if not _is_there(one, context)]
    wheels = [one for one in missing if one.is_wheel]
    sources = (*(one for one in missing if not one.is_wheel), *own)
    options = context.spec.builder_options.layers
    groups = group(
        wheels,
        installed=context.probe.installed,
        heavy_mib=options.heavy_mib,
        buckets=options.buckets,
        most_layers=1 if options.is_single else min(most_layers, options.max_layers),
    )
    return groups, LayerGroup("sources", sources) if sources else None


def _is_there(package: LockedPackage, context: Context) -> bool:
    if package.source or package.path:
        return False
    return context.probe.installed.get(package.name) == package.version
