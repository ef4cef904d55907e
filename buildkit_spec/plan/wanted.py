"""What a spec wants of Python, as the resolver takes it: locks of all kinds become pinned lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from buildkit_spec import llb
from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plan import cuda, lock_file, projects
from buildkit_spec.plan.exported import export
from buildkit_spec.plan.locking import GIVEN_DIR, Wanted
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec, RequirementFile, RequirementKind, requirement_files
from buildkit_spec.spec.installer_args import divide
from buildkit_spec.spec.local_requirements import parse_local

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_HASH = re.compile(r"--hash[=\s]\s*([a-z0-9]+:[0-9a-f]+)")
_SEPARATORS = re.compile(r"[-_.]+")


def normalized(name: str) -> str:
    """Return the one spelling of a package's name. Source: PEP 503, *Normalized Names*."""
    return _SEPARATORS.sub("-", name).lower()


def wants_python(spec: ImageSpec) -> bool:
    """Whether the spec wants any Python package."""
    return bool(spec.packages or spec.requirements or cuda.requirements(spec))


def wants_interpreter(spec: ImageSpec) -> bool:
    """Whether the spec wants a Python in the image, be it for `wants_python` or for its own."""
    return bool(wants_python(spec) or spec.conda_packages or spec.builder_options.uv_path)


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
    packages = projects.lines(spec, named, places)
    mounts = projects.mounts(context, places, has_editable=True)
    arguments = divide(spec.pip_extra_args or "").resolve
    lock = spec.lock_text()
    if lock is not None and lock_file.is_current(lock, spec):
        name = spec.origin.lock.name if spec.origin.lock else "pylock.toml"
        pinned = from_pylock(RequirementFile(name, lock, is_root=True))
        local = projects.lines(spec, [one for one in named if is_local(one, spec)], places)
        return Wanted(local, (pinned,), is_complete=True, arguments=arguments, mounts=mounts)
    kind = RequirementKind.of(files[0].path) if files else RequirementKind.TEXT
    if kind is RequirementKind.PYLOCK:
        pinned = from_pylock(files[0])
        return Wanted(files=(pinned,), is_complete=True, arguments=arguments)
    if kind.has_project:
        pinned = export(context, questions, state, files)
        return Wanted(files=(pinned,), is_complete=True, arguments=arguments)
    if kind is RequirementKind.PYPROJECT:
        arguments += _project_arguments(spec, files[0])
    preferences = lock_file.versions(lock) if lock else {}
    return Wanted(
        packages,
        projects.rewritten(files, places),
        arguments=arguments,
        preferences=preferences,
        mounts=mounts,
    )


def is_local(package: str, spec: ImageSpec) -> bool:
    """Whether a package is a folder or a file of this machine."""
    return parse_local(package, spec.root) is not None


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
    return replace(wanted, hashes={name: frozenset(found) for name, found in hashes.items()})


def _logical_lines(text: str) -> list[str]:
    lines = re.sub(r"\\\r?\n", " ", text).splitlines()
    return [re.sub(r"(^|\s)#.*", "", line) for line in lines]


def from_pylock(file: RequirementFile) -> RequirementFile:
    """Return a ``pylock.toml`` as a requirements file with pinned versions, markers and hashes.

    Raises:
        SpecValidationError: It is no lock of the version known here.

    Source: PEP 751.
    """
    try:
        document = tomllib.loads(file.content.decode())
        is_known = document["lock-version"].startswith("1.")
        lines = [_line(entry) for entry in document.get("packages", ())] if is_known else []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecValidationError([_no_pylock(file)]) from error
    if not is_known:
        raise SpecValidationError([_no_pylock(file)])
    path = re.sub(r"\.toml$", ".txt", file.path)
    return RequirementFile(path, "".join(lines).encode(), file.is_root)


def _no_pylock(file: RequirementFile) -> Problem:
    what = f"{file.path} is no pylock.toml of version 1"
    return Problem("requirements", what, "uv export --format pylock.toml")


def _line(entry: Mapping[str, Any]) -> str:
    name = entry["name"]
    if vcs := entry.get("vcs"):
        source = f"{vcs['type']}+{vcs['url']}@{vcs['commit-id']}"
        what, files = f"{name} @ {source}{_part(vcs)}", []
    elif archive := entry.get("archive"):
        what, files = f"{name} @ {archive['url']}{_part(archive)}", [archive]
    elif "directory" in entry:
        return ""  # the project the lock is of
    else:
        files = [*entry.get("wheels", ()), *([entry["sdist"]] if "sdist" in entry else [])]
        what = f"{name}=={entry['version']}"
    marker = f" ; {entry['marker']}" if entry.get("marker") else ""
    return f"{what}{marker}{_hash_options(files)}\n"


def _part(source: Mapping[str, Any]) -> str:
    return f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""


def _hash_options(files: Iterable[Mapping[str, Any]]) -> str:
    found = {f"{kind}:{value}" for file in files for kind, value in file.get("hashes", {}).items()}
    return "".join(f" --hash={one}" for one in sorted(found))


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
