"""Packages of this machine in a build: where their files stand, and how they come there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildkit_spec import llb
from buildkit_spec.plan import files
from buildkit_spec.plan.lock import LockedPackage
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec, RequirementFile, RequirementKind
from buildkit_spec.spec.local_requirements import LocalRequirement, parse_local, source_places

_DIR = f"{RUN_DIR}/projects"
_HOME = "/root"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True, slots=True)
class Place:
    """One package of this machine.

    Attributes:
        requirement: What it is.
        local_name: Name of the local source with its files.
        folder: Where the files stand in a step: of an editable one, where they stand in the image.
    """

    requirement: LocalRequirement
    local_name: str
    folder: str

    @property
    def path(self) -> str:
        """The folder of the project, or the archive."""
        one = self.requirement
        return f"{self.folder}/{one.path.name}" if one.is_archive else self.folder


def places_of(spec: ImageSpec) -> tuple[Place, ...]:
    """Return where the packages of this machine stand, each in a folder of its own.

    An editable project keeps its path below the spec's folder, as files of ``copy`` do.
    """
    taken: dict[str, int] = {}
    found = []
    for number, one in enumerate(spec.local_requirements()):
        if one.is_editable:
            inside = one.path.is_relative_to(spec.root)
            below = one.path.relative_to(spec.root).as_posix() if inside else one.path.name
            folder = f"{_HOME}/{below}" if below != "." else _HOME
        else:
            name = _UNSAFE.sub("_", one.path.stem if one.is_archive else one.path.name) or "_"
            taken[name] = taken.get(name, 0) + 1
            folder = f"{_DIR}/{name}" + (f"-{taken[name]}" if taken[name] > 1 else "")
        found.append(Place(one, f"project-{number}", folder))
    return tuple(found)


def source(context: Context, place: Place) -> llb.State:
    """Return the files of a package of this machine, as a local source."""
    return llb.local(
        f"{context.prefix}{place.local_name}",
        shared_key_hint=f"buildkit-spec-{context.spec.name}-{place.local_name}",
        name=context.name("projects", f"send {place.requirement.path.name}"),
    )


def mounts(
    context: Context, places: Iterable[Place], *, has_editable: bool
) -> tuple[llb.Mount, ...]:
    """Return the mounts of a step that builds from these packages' files.

    Building may write beside the files; that goes nowhere.

    Args:
        context: The platform's context.
        places: Where they stand.
        has_editable: Whether those that stand in the image are mounted too: they are not there yet.
    """
    return tuple(
        llb.Bind(place.folder, source=source(context, place))
        for place in places
        if has_editable or not place.requirement.is_editable
    )


def copy(context: Context, state: llb.State, place: Place, owner: str) -> llb.State:
    """Copy an editable project to its place in the image."""
    return files.copy_tree(context, state, place.local_name, place.folder, owner=owner)


def lines(spec: ImageSpec, packages: Iterable[str], places: Sequence[Place]) -> tuple[str, ...]:
    """Return the packages as lines of a requirements file, local paths being those of the build."""
    return tuple(_line(package, spec, places) for package in packages)


def _line(package: str, spec: ImageSpec, places: Sequence[Place]) -> str:
    local = parse_local(package, spec.root)
    return package if local is None else local.line(_path_of(local, places))


def rewritten(
    requirement_files: Iterable[RequirementFile], places: Sequence[Place]
) -> tuple[RequirementFile, ...]:
    """Return requirement files with the paths that their local packages have in the build."""
    return tuple(_rewritten(file, places) for file in requirement_files)


def _rewritten(file: RequirementFile, places: Sequence[Place]) -> RequirementFile:
    if file.origin is None:
        return file
    if RequirementKind.of(file.path) is not RequirementKind.TEXT:
        return source_places(file, lambda path: _place_of(path, places).path)
    text = file.content.decode(errors="surrogateescape")
    made = []
    for line in text.splitlines():
        local = parse_local(line.partition(" #")[0].strip(), file.origin.parent)
        made.append(line if local is None else local.line(_path_of(local, places)))
    content = "\n".join([*made, ""]).encode(errors="surrogateescape")
    return replace(file, content=content) if made != text.splitlines() else file


def _place_of(path: Path, places: Sequence[Place]) -> Place:
    return next(place for place in places if place.requirement.path == path)


def _path_of(local: LocalRequirement, places: Sequence[Place]) -> str:
    return next(
        place.path
        for place in places
        if (place.requirement.path, place.requirement.is_editable)
        == (local.path, local.is_editable)
    )


def own_packages(places: Iterable[Place]) -> tuple[LockedPackage, ...]:
    """Return the projects that are installed beside their own lock, which resolves their needs."""
    return tuple(
        LockedPackage(
            re.sub(r"[-_.]+", "-", place.requirement.name).lower(),
            "",
            is_wheel=False,
            path=place.path,
            is_editable=place.requirement.is_editable,
        )
        for place in places
        if place.requirement.is_project
    )
