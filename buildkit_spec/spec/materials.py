"""What a spec needs of this machine: files, folders, a default base image. Checked all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.errors import Problem, SpecError, SpecValidationError
from buildkit_spec.spec.copy_mode import CopyMode
from buildkit_spec.spec.local_requirements import LocalRequirement, local_problems
from buildkit_spec.spec.local_requirements import local_requirements as find_local
from buildkit_spec.spec.modules import loaded_files
from buildkit_spec.spec.origin import current_directory
from buildkit_spec.spec.places import is_directory, is_file, is_link, is_there
from buildkit_spec.spec.problems import moved
from buildkit_spec.spec.project_members import poetry_paths
from buildkit_spec.spec.requirements import RequirementFile, RequirementKind, read_closure
from buildkit_spec.spec.rules import ExactFiles, NamedPaths, NotIgnored
from buildkit_spec.spec.selection import FileSelection, Rule
from buildkit_spec.values.secret import FileSecret, SecretSource

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec


def material_problems(spec: ImageSpec, env: Mapping[str, str] = os.environ) -> list[Problem]:
    """Return everything that a spec and its base specs name and this machine does not have.

    Args:
        spec: The spec; it may stand for the valid part of a wrong one.
        env: The environment; it may name a default base image.
    """
    problems: list[Problem] = []
    if spec.base_image is None:
        try:
            spec.default_base_image(env)
        except SpecValidationError as error:
            problems += error.problems
    elif not isinstance(spec.base_image, str):
        problems += moved(material_problems(spec.base_image, env), "base_image")
    problems += _source_problems(spec)
    bundle = spec.builder_options.ca_bundle
    if bundle and not is_file(spec.resolve(bundle)):
        problems.append(Problem("builder_options.ca_bundle", f"{bundle} does not exist"))
    for index, path in enumerate(spec.copy or ()):
        problems += moved(_copy_problems(spec, path), f"copy[{index}]")
    if spec.requirements is not None:
        problems += moved(_requirement_problems(spec, spec.requirements), "requirements")
    if not any(problem.field.startswith("requirements") for problem in problems):
        for one in local_requirements(spec):
            field = "packages" if one.written in (spec.packages or ()) else "requirements"
            problems += moved(local_problems(one), field)
    if spec.registry_config is not None:
        problems += moved(_registry_problems(spec, spec.registry_config), "registry_config")
    return problems


def requirement_files(spec: ImageSpec) -> tuple[RequirementFile, ...]:
    """Return the spec's requirements file and all it includes; empty when it names none.

    Raises:
        SpecValidationError: One is missing, or a line cannot be built.
    """
    if spec.requirements is None:
        return ()
    files, problems = read_closure(spec.resolve(spec.requirements))
    if problems:
        raise SpecValidationError(moved(problems, "requirements"))
    return files


def local_requirements(spec: ImageSpec) -> tuple[LocalRequirement, ...]:
    """Return the spec's Python packages that are of this machine.

    Raises:
        SpecValidationError: A requirements file is missing, or a line cannot be built.
    """
    named = spec.packages or spec.requirements
    if not named:
        return ()
    files = {str(file.origin): file for file in requirement_files(spec)}
    return find_local(spec, files)


def lock_text(spec: ImageSpec) -> bytes | None:
    """Return the lock beside the spec's file; see `ImageSpec.lock_text`."""
    path = spec.origin.lock
    if path is None or not is_file(path):
        return None
    if spec.requirements is not None and spec.resolve(spec.requirements) == path:
        return None  # it is what the spec asks for already
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", source=str(path)) from error


def step_secret_id(place: str) -> str:
    """Return the id of the secret that all build steps find at *place*, a variable or a path."""
    return f"buildkit-spec.step.{place}"


def secret_sources(spec: ImageSpec) -> dict[str, SecretSource]:
    """Return where the secrets of the build steps come from; see `ImageSpec.secret_sources`."""
    sources: dict[str, SecretSource] = {
        f"pip-{index}": FileSecret(source)
        for index, (source, _) in enumerate(spec.pip_secret_mounts or ())
    }
    sources.update(spec.builder_options.secrets)
    sources.update(
        {step_secret_id(place): one for place, one in spec.builder_options.step_secrets.items()}
    )
    return {
        id: FileSecret(str(spec.resolve(source.path))) if isinstance(source, FileSecret) else source
        for id, source in sources.items()
    }


def copy_selection(spec: ImageSpec) -> FileSelection | None:
    """Return the files ``copy`` names, below the spec's root; they keep their relative paths."""
    paths = spec.copy
    if not paths:
        return None
    return _kept(spec, "copy", lambda: FileSelection(spec.root, NamedPaths(paths)))


def source_selection(spec: ImageSpec) -> FileSelection | None:
    """Return the files of the source root that the copy mode takes; None when there are none."""
    mode = spec.source_copy_mode
    if spec.source_root is None or mode in {None, CopyMode.NO_COPY}:
        return None
    if spec.origin.source is not None and not spec.origin.source:
        return None
    root = Path(os.path.realpath(spec.resolve(spec.source_root)))
    return _kept(spec, "source", lambda: FileSelection(root, _source_rule(spec, root)))


def is_as_found(spec: ImageSpec) -> bool:
    """Whether nothing was touched in the folders of a spec and its base specs since the look."""
    base = spec.base_image
    return all(one.is_as_found() for one in (spec.origin.folders or {}).values()) and (
        base is None or isinstance(base, str) or is_as_found(base)
    )


def _kept(spec: ImageSpec, use: str, make: Callable[[], FileSelection]) -> FileSelection:
    folders = spec.origin.folders
    if folders is None:
        return make()
    return folders.get(use) or folders.setdefault(use, make())


def _source_rule(spec: ImageSpec, root: Path) -> Rule:
    if spec.origin.source is not None:
        return ExactFiles(spec.origin.source)
    loaded: list[str] = []
    if spec.source_copy_mode is CopyMode.LOADED_MODULES:
        files = loaded_files() if spec.origin.modules is None else spec.origin.modules
        loaded = [file.relative_to(root).as_posix() for file in files if file.is_relative_to(root)]
    return ExactFiles(loaded) if loaded else NotIgnored(root)


def _source_problems(spec: ImageSpec) -> list[Problem]:
    if spec.source_root is None:
        if spec.source_copy_mode in {None, CopyMode.NO_COPY}:
            return []
        return [
            Problem("source_copy_mode", "says what to copy, but not from where", "set source_root")
        ]
    directory = spec.resolve(spec.source_root)
    if is_directory(directory):
        return []
    if is_there(directory):
        return [Problem("source_root", f"{spec.source_root!r} is no folder", "use copy for a file")]
    return [_missing(spec, "source_root", spec.source_root)]


def _copy_problems(spec: ImageSpec, path: str) -> list[Problem]:
    place = spec.root
    for part in path.split("/"):
        place = place / part
        if is_link(place):
            where = place.relative_to(spec.root).as_posix()
            return [
                Problem(
                    "",
                    f"{path!r} leads through the link {where!r}; links are copied, not followed",
                    f"name what it points to: {os.path.realpath(place)}",
                )
            ]
    if not is_there(place):
        return [_missing(spec, "", path)]
    if is_directory(place) and FileSelection(spec.root, NamedPaths([path])).is_empty():
        return [Problem("", f"{path!r} has no files", "an empty folder cannot be copied")]
    return []


def _requirement_problems(spec: ImageSpec, path: str) -> list[Problem]:
    if not is_file(spec.resolve(path)):
        return [_missing(spec, "", path)]
    files, problems = read_closure(spec.resolve(path))
    is_project = RequirementKind.of(path) is RequirementKind.PYPROJECT and bool(files)
    if is_project and (names := poetry_paths(files[0])):
        what = f"takes {', '.join(names)} from a path of poetry's, which is not sent"
        problems.append(Problem("", what, "lock it, and write requirements: poetry.lock"))
    return problems


def _registry_problems(spec: ImageSpec, path: str) -> list[Problem]:
    from buildkit_spec.spec.registry_config import read_config  # few specs have one

    file = spec.resolve(path)
    return read_config(file)[1] if is_file(file) else [_missing(spec, "", path)]


def _missing(spec: ImageSpec, field: str, path: str) -> Problem:
    """Return the problem of a missing file; the remedy says so when it is in the current folder."""
    here = current_directory() / path
    remedy = ""
    if here != spec.root / path and is_there(here):
        remedy = f"paths start from the spec's folder: write {os.path.relpath(here, spec.root)}"
    return Problem(field, f"{path!r} does not exist in {spec.root}", remedy)
