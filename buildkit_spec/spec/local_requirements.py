"""Python packages from this machine: project folders, wheels and source archives."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from buildkit_spec.errors import Problem
from buildkit_spec.spec import project_members
from buildkit_spec.spec.places import is_directory, is_file
from buildkit_spec.spec.requirements import RequirementFile, RequirementKind, logical_lines
from buildkit_spec.spec.rules import NamedPaths, NotIgnored
from buildkit_spec.spec.selection import FileSelection

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec

_ITEM = re.compile(
    r"""^(?P<editable>-e\s+|--editable[\s=]+)?
        (?:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<named_extras>\[[^\]]*\])?\s*@\s*)?
        (?P<target>(?:file:|\.{1,2}(?=[/\[\s;]|$)|/|~)[^\[;\s]*)
        (?P<extras>\[[^\]]*\])?
        (?P<marker>\s*;.*)?$""",
    re.VERBOSE,
)
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class LocalRequirement:
    """One package that is a folder or a file of this machine.

    Attributes:
        written: The item as it stands in the spec, or the line of a requirements file.
        path: Absolute.
        name: Of the distribution, where it is written; else empty.
        extras: Such as ``[dev]``, or empty.
        marker: Such as ``; python_version < "3.12"``, or empty.
        is_editable: Whether it is used where it stands: then its files are in the image.
        is_project: Whether it is installed beside a lock that resolves what it needs.
    """

    written: str
    path: Path
    name: str = ""
    extras: str = ""
    marker: str = ""
    is_editable: bool = False
    is_project: bool = False

    @property
    def is_archive(self) -> bool:
        """Whether it is one file."""
        return self.path.name.endswith(_ARCHIVES)

    def selection(self) -> FileSelection:
        """Return the files that are sent: of a folder all that ignore files leave."""
        if self.is_archive:
            return FileSelection(self.path.parent, NamedPaths([self.path.name]))
        root = Path(os.path.realpath(self.path))
        return FileSelection(root, NotIgnored(root))

    def line(self, place: str) -> str:
        """Return the line of a requirements file, with *place* for its path in the build."""
        if self.is_editable:
            return f"-e {place}{self.extras}{self.marker}"
        if self.name:
            return f"{self.name}{self.extras} @ file://{place}{self.marker}"
        return f"{place}{self.extras}{self.marker}"


def parse_local(item: str, folder: Path) -> LocalRequirement | None:
    """Read an item that names a path; None when it names none.

    Args:
        item: One package of a spec, or one line of a requirements file.
        folder: Where relative paths start.
    """
    match = _ITEM.match(item)
    if match is None:
        return None
    target = match["target"]
    if target.startswith("file:"):
        target = unquote(urlsplit(target).path)
    return LocalRequirement(
        written=item,
        path=Path(os.path.normpath(folder / _expanded(target))),
        name=match["name"] or "",
        extras=match["named_extras"] or match["extras"] or "",
        marker=match["marker"] or "",
        is_editable=bool(match["editable"]),
    )


def _expanded(target: str) -> Path:
    with suppress(RuntimeError):  # nobody has the name behind the ~
        return Path(target).expanduser()
    return Path(target)


def local_requirements(
    spec: ImageSpec, files: Mapping[str, RequirementFile]
) -> tuple[LocalRequirement, ...]:
    """Return all packages of a spec that are of this machine, each once, in a stable order.

    Args:
        spec: The spec.
        files: Its requirement files, by absolute path.
    """
    found: dict[tuple[Path, bool, str], LocalRequirement] = {}

    def add(one: LocalRequirement | None) -> None:
        if one is not None:
            found.setdefault((one.path, one.is_editable, one.extras), one)

    for package in spec.packages or ():
        add(parse_local(package, spec.root))
    for path, file in files.items():
        if RequirementKind.of(path) is RequirementKind.TEXT:
            for _, line in logical_lines(file.content.decode(errors="replace")):
                add(parse_local(line, Path(path).parent))
        for member in project_members.sources(file).values():
            add(_member(member, Path(path), spec, is_project=False))
    add(_own_project(spec))
    for path, file in files.items():
        for member in project_members.members(file, spec.builder_options):
            add(_member(member, Path(path), spec, is_project=True))
    return tuple(found.values())


def _member(
    member: project_members.Member, file: Path, spec: ImageSpec, *, is_project: bool
) -> LocalRequirement:
    """Return what a project's file names; it is editable where the project itself is to be."""
    name, path, may_be_editable = member
    return LocalRequirement(
        f"{name} of {file.name}",
        Path(os.path.normpath(file.parent / path)),
        name,
        is_editable=may_be_editable and spec.builder_options.install_project == "editable",
        is_project=is_project,
    )


def source_places(file: RequirementFile, place_of: Callable[[Path], str]) -> RequirementFile:
    """Return a ``pyproject.toml`` with the paths that its packages have in the build.

    Args:
        file: Any requirements file; others are returned as they are.
        place_of: Says where the package with an absolute path is.
    """
    found = project_members.sources(file)
    if not found or file.origin is None:
        return file
    folder = file.origin.parent
    places = {
        key: place_of(Path(os.path.normpath(folder / path))) for key, (_, path, _) in found.items()
    }
    return replace(file, content=project_members.with_sources(file, places))


def _own_project(spec: ImageSpec) -> LocalRequirement | None:
    kind = spec.builder_options.install_project
    if kind == "none" or spec.requirements is None:
        return None
    folder = spec.resolve(spec.requirements).parent
    path = Path(os.path.normpath(folder))
    return LocalRequirement(
        ".", path, project_name(path), is_editable=kind == "editable", is_project=True
    )


def project_name(folder: Path) -> str:
    """Return what a project's ``pyproject.toml`` calls it; empty when it does not say."""
    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    for table in (document.get("project"), document.get("tool", {}).get("poetry")):
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            return str(table["name"])
    return ""


def local_problems(one: LocalRequirement) -> list[Problem]:
    """Return what is wrong with the path of a package."""
    if one.is_archive:
        if not is_file(one.path):
            return [Problem("", f"{one.written!r}: there is no file {one.path}")]
        if one.is_editable:
            return [Problem("", f"{one.written!r}: an archive cannot be edited", "leave -e out")]
        return []
    if not is_directory(one.path):
        return [Problem("", f"{one.written!r}: there is no folder {one.path}")]
    if not any(is_file(one.path / name) for name in _PROJECT_FILES):
        what = f"{one.written!r}: {one.path} is no Python project"
        remedy = "it needs a pyproject.toml or a setup.py; use copy for a plain folder"
        return [Problem("", what, remedy)]
    file = one.path / "pyproject.toml"
    if not one.is_project and is_file(file):
        written = RequirementFile(file.name, file.read_bytes(), is_root=True, origin=file)
        if names := project_members.unsent(written):
            taken = ", ".join(names)
            what = f"{one.written!r}: {file} takes {taken} from a path, which is not sent"
            return [Problem("", what, "lock it, and write requirements: uv.lock")]
    if one.is_project and not one.name:
        return [Problem("", f"{one.path / 'pyproject.toml'} does not name its project")]
    return []


def needs_digest(requirements: Iterable[LocalRequirement]) -> list[list[str]]:
    """Return what stands for all that these packages say of what they need.

    Of a project that says it in its ``pyproject.toml`` that file is enough; the code of others
    may say it too.
    """
    return sorted([one.path.name, one.extras, _needs_digest(one)] for one in requirements)


def _needs_digest(one: LocalRequirement) -> str:
    file = one.path / "pyproject.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        is_dynamic = bool(
            {"dependencies", "optional-dependencies"} & {*document.get("dynamic", ())}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_dynamic = True
    if one.is_archive or is_dynamic:
        return one.selection().digest()
    return hashlib.sha256(file.read_bytes()).hexdigest()


def digest(requirements: tuple[LocalRequirement, ...]) -> list[list[str]] | None:
    """Return what stands for their contents in a tag; None when there are none."""
    pairs = [
        [one.path.name, one.extras, str(one.is_editable), one.selection().digest()]
        for one in requirements
    ]
    return sorted(pairs) or None
