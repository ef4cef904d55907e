"""The step that resolves Python requirements, in the image and with its interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from buildkit_spec import llb
from buildkit_spec.plan import inside, uv
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context, run
from buildkit_spec.spec import RequirementFile
from buildkit_spec.spec.logins import with_written_logins

FILES_DIR = f"{RUN_DIR}/requirements"
GIVEN_DIR = f"{FILES_DIR}/given"
SCRATCH_DIR = "/dev/shm"  # noqa: S108 - in the step
"""Where the lock stands as it is made: local paths in it start from there."""

ANSWER_PATH = "/answer.json"
_PROGRAM = "lock.py"
_PACKAGES = "packages.txt"
_ANSWER_DIR = f"{RUN_DIR}/lock"
_SIZES = f"{uv.CACHE_DIR}/buildkit-spec-sizes.json"


@dataclass(frozen=True, slots=True)
class Located:
    """A package of a lock that says which index it is from.

    Attributes:
        name: Normalized.
        line: Its pinned version and marker, as a line of a requirements file.
        index: URL of the index.
        hashes: Those that are allowed.
    """

    name: str
    line: str
    index: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a spec wants of Python, before it is resolved.

    Attributes:
        packages: Lines of a requirements file.
        files: Requirement files with what they include.
        is_complete: Whether they name everything: what the packages themselves need is not added.
        hashes: The hashes that the user's lock allows, by package; empty without a lock.
        mounts: What the lines refer to by path.
        arguments: Further arguments of the resolver.
        preferences: Versions that are taken where they fit, by package.
        located: What is looked up in the index that a lock says it is from.
        logins: Variables that stand for logins in what the user wrote; see `written_logins`.
        has_indexes: Whether packages may come from indexes that installing does not ask.
    """

    packages: tuple[str, ...] = ()
    files: tuple[RequirementFile, ...] = ()
    is_complete: bool = False
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    mounts: tuple[llb.Mount, ...] = ()
    arguments: tuple[str, ...] = ()
    preferences: Mapping[str, str] = field(default_factory=dict)
    located: tuple[Located, ...] = ()
    logins: Mapping[str, str] = field(default_factory=dict)
    has_indexes: bool = False

    @property
    def roots(self) -> tuple[str, ...]:
        """The files that are named, not included."""
        return tuple(file.path for file in self.files if file.is_root)


def resolve(context: Context, state: llb.State, wanted: Wanted, *, may_build: bool) -> llb.State:
    """Return a file system with the resolver's answer at `ANSWER_PATH`; see `lock.read_lock`.

    Args:
        context: The platform's context; its probe names the interpreter.
        state: What it is resolved for: the interpreter and what is installed already.
        wanted: What to resolve.
        may_build: Whether packages may be built to learn what they need; without, the answer may
            be that it must be.
    """
    uv_program, uv_mounts = uv.mount(context.spec.builder_config, context.platform)
    command = [uv_program, "pip", "compile", "--python", context.probe.python]
    command += ["--generate-hashes", "--quiet", *wanted.arguments]
    if wanted.is_complete:
        command.append("--no-deps")
    if wanted.packages:
        command.append(f"{FILES_DIR}/{_PACKAGES}")
    command += [f"{GIVEN_DIR}/{root}" for root in wanted.roots]
    order = {
        "command": command,
        "has_indexes": wanted.has_indexes,
        "located": [
            {
                "name": one.name,
                "line": one.line,
                "index": with_written_logins(one.index, wanted.logins),
                "hashes": list(one.hashes),
            }
            for one in wanted.located
        ],
        "may_build": may_build,
        "output": f"{_ANSWER_DIR}{ANSWER_PATH}",
        # What fits of what is installed is kept, as pip keeps it.
        "preferences": {}
        if wanted.is_complete
        else {**wanted.preferences, **context.probe.installed},
        "scratch": SCRATCH_DIR,
        "sizes": _SIZES,
    }
    titles = [*wanted.packages, *(f"-r {root}" for root in wanted.roots)]
    return run(
        context,
        state,
        inside.command(context.probe.python, FILES_DIR, _PROGRAM),
        name=context.name("lock", f"resolve {' '.join(titles)}"),
        env={**uv.ENV, **_index_key(context)},
        mounts=[
            *uv_mounts,
            *uv.working_mounts(context),
            *wanted.mounts,
            llb.Bind(FILES_DIR, source=_files(context, wanted, order), readonly=True),
            llb.Bind(_ANSWER_DIR, source=llb.scratch()),
        ],
        output=_ANSWER_DIR,
    )


def _files(context: Context, wanted: Wanted, order: Mapping[str, object]) -> llb.State:
    """Return the program, the list of packages, and the requirement files in their layout."""
    listed = "".join(f"{package}\n" for package in wanted.packages)
    actions = [*inside.program_files(_PROGRAM, order)]
    actions.append(llb.mkfile(f"/{_PACKAGES}", listed.encode(), mode=0o644))
    given = GIVEN_DIR.removeprefix(FILES_DIR)
    for file in wanted.files:
        directory = f"{given}/{file.path}".rpartition("/")[0]
        actions.append(llb.mkdir(directory, mode=0o755, parents=True))
        actions.append(llb.mkfile(f"{given}/{file.path}", file.content, mode=0o644))
    return llb.scratch().file(*actions, name=context.name("lock", "write the requirements"))


def _index_key(context: Context) -> dict[str, str]:
    """Return what of the indexes is no secret: another index resolves anew."""
    spec = context.spec
    urls: Sequence[str] = [
        *([spec.pip_index] if spec.pip_index else []),
        *(spec.pip_extra_index_url or ()),
    ]
    return {"BUILDKIT_SPEC_INDEXES": " ".join(map(_without_login, urls))} if urls else {}


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
