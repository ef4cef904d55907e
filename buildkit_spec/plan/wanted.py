"""What a spec wants of Python, as the resolver takes it: locks of all kinds become pinned lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from buildkit_spec import llb
from buildkit_spec.errors import Problem
from buildkit_spec.plan import cuda, lock_file, projects
from buildkit_spec.plan.exported import export
from buildkit_spec.plan.locking import GIVEN_DIR, Wanted
from buildkit_spec.plan.pinned import Pinned, from_pylock, normalized
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec, RequirementFile, RequirementKind, requirement_files
from buildkit_spec.spec.installer_args import divide
from buildkit_spec.spec.logins import written_logins

_NAME = re.compile(r"^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_HASH = re.compile(r"--hash[=\s]\s*([a-z0-9]+:[0-9a-f]+)")
_INDEX_OPTION = re.compile(
    rb"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links|--index|--default-index)\b",
    re.MULTILINE,
)
_INDEX_TABLES = re.compile(rb"^\s*\[+tool\.uv\b", re.MULTILINE)


def wants_interpreter(spec: ImageSpec) -> bool:
    """Whether the spec wants a Python in the image, be it for packages or for its own."""
    return bool(cuda.wants_python(spec) or spec.conda_packages or spec.builder_options.uv_path)


def wanted_of(context: Context, questions: Questions, state: llb.State) -> Wanted:
    """Return what the spec wants: its lock if that fits, otherwise what it says.

    Args:
        context: The platform's context; its probe names the interpreter.
        questions: Who reads the locks of projects.
        state: The file system that they are read in.

    Raises:
        SpecValidationError: A file is missing, or is not of its kind.
        SolveError: A project's lock does not fit its project.
    """
    spec = context.spec
    files = requirement_files(spec)
    places = projects.places_of(spec)
    named = sorted({*(spec.packages or ()), *cuda.requirements(spec)})
    mounts = projects.mounts(context, places, has_editable=True)
    arguments = divide(spec.pip_extra_args or "").resolve
    wanted = Wanted(
        arguments=arguments,
        logins=written_logins([*named, *(file.content.decode(errors="replace") for file in files)]),
        has_indexes=any(word.startswith("--torch-backend") for word in arguments),
    )
    lock = spec.lock_text()
    if lock is not None and lock_file.is_current(lock, spec):
        name = spec.origin.lock.name if spec.origin.lock else "pylock.toml"
        pinned = from_pylock(RequirementFile(name, lock, is_root=True), wanted.logins)
        local = [one.requirement.line(one.path) for one in places if not one.requirement.is_project]
        return _complete(replace(wanted, packages=tuple(local), mounts=mounts), pinned)
    kind = RequirementKind.of(files[0].path) if files else RequirementKind.TEXT
    if kind is RequirementKind.PYLOCK:
        return _complete(wanted, from_pylock(files[0], wanted.logins))
    if kind.has_project:
        return _complete(wanted, export(context, questions, state, files))
    if kind is RequirementKind.PYPROJECT:
        arguments += _project_arguments(spec, files[0])
    return replace(
        wanted,
        packages=projects.lines(spec, named, places),
        files=projects.rewritten(files, places),
        arguments=arguments,
        preferences=lock_file.versions(lock) if lock else {},
        mounts=mounts,
        has_indexes=wanted.has_indexes or any(map(_names_index, files)),
    )


def _complete(wanted: Wanted, pinned: Pinned) -> Wanted:
    return replace(wanted, files=(pinned.file,), located=pinned.located, is_complete=True)


def _names_index(file: RequirementFile) -> bool:
    """Whether a file says where packages come from."""
    is_text = RequirementKind.of(file.path) is RequirementKind.TEXT
    return bool((_INDEX_OPTION if is_text else _INDEX_TABLES).search(file.content))


def _project_arguments(spec: ImageSpec, file: RequirementFile) -> tuple[str, ...]:
    options, place = spec.builder_options, f"{GIVEN_DIR}/{file.path}"
    extras = [part for extra in sorted(set(options.extras)) for part in ("--extra", extra)]
    groups = [f"{place}:{group}" for group in sorted(set(options.dependency_groups))]
    return (*extras, *(part for group in groups for part in ("--group", group)))


def with_hashes(wanted: Wanted) -> Wanted:
    """Return it with the hashes that its own files give: then every package must have one.

    Source: pip documentation, *Secure installs*.
    """
    hashes: dict[str, set[str]] = {}
    for file in wanted.files:
        if RequirementKind.of(file.path) is RequirementKind.TEXT:
            for line in _logical_lines(file.content.decode(errors="replace")):
                name, found = _NAME.match(line), _HASH.findall(line)
                if name and found:
                    hashes.setdefault(normalized(name[1]), set()).update(found)
    for one in wanted.located:
        if not one.hashes:
            continue
        hashes.setdefault(one.name, set()).update(one.hashes)
    return replace(wanted, hashes={name: frozenset(found) for name, found in hashes.items()})


def _logical_lines(text: str) -> list[str]:
    lines = re.sub(r"\\\r?\n", " ", text).splitlines()
    return [re.sub(r"(^|\s)#.*", "", line) for line in lines]


def hash_problems(names: Sequence[str], wanted: Wanted) -> list[Problem]:
    """Return a problem for every package that is to be verified and cannot be."""
    if not wanted.hashes:
        return []
    return [
        Problem(
            "requirements",
            f"{name} is needed and has no hash, as the others have",
            "uv pip compile --generate-hashes, or pip-compile --generate-hashes",
        )
        for name in names
        if name not in wanted.hashes
    ]
