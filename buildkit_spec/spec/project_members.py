"""Packages of this machine that a project or its lock names: members of a workspace, and paths."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit_spec.spec.requirements import RequirementFile, RequirementKind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from buildkit_spec.spec.options import BuilderOptions

_MAY_NAME_PATHS = re.compile(
    rb'\b(?:editable|directory|virtual)\s*=\s*"(?!\.")|\bpath\b|\bworkspace\b'
    rb'|^type = "(?:directory|file)"',
    re.MULTILINE,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SEPARATORS = re.compile(r"[-_.]+")
Member = tuple[str, str, bool]
"""A package's name, its path relative to the file that names it, and whether that is editable."""


def members(file: RequirementFile, options: BuilderOptions) -> list[Member]:
    """Return the packages of this machine that are installed beside a lock, which names them.

    Args:
        file: The lock; of another file there are none.
        options: Which groups and extras are wanted.
    """
    readers = {
        RequirementKind.UV_LOCK: _of_uv,
        RequirementKind.POETRY_LOCK: _of_poetry,
        RequirementKind.PYLOCK: _of_pylock,
    }
    kind = RequirementKind.of(file.path)
    if kind not in readers:
        return []
    try:
        return sorted(set(readers[kind](_document(file), options)))
    except (KeyError, TypeError, AttributeError):
        return []  # who reads the lock says what is wrong with it


def sources(file: RequirementFile) -> dict[str, Member]:
    """Return the packages that a ``pyproject.toml`` takes from paths, by what stands for each.

    Source: uv documentation, *Dependency sources*.
    """
    is_project = RequirementKind.of(file.path) is RequirementKind.PYPROJECT and file.is_root
    if not is_project or file.origin is None:
        return {}
    found = {}
    for name, number, source in _sources(_document(file)):
        path = source.get("path")
        if source.get("workspace"):
            path = _workspace_member(file.origin.parent, name)
        if path:
            found[f"{name}[{number}]"] = (name, str(path), bool(source.get("editable")))
    return found


def with_sources(file: RequirementFile, places: Mapping[str, str]) -> bytes:
    """Return a ``pyproject.toml`` with other paths, by what `sources` gave for each."""
    import tomli_w

    document = _document(file)
    for name, number, source in _sources(document):
        if place := places.get(f"{name}[{number}]"):
            for key in ("workspace", "editable", "subdirectory"):
                source.pop(key, None)
            source["path"] = place
    document["tool"]["uv"].pop("workspace", None)
    return tomli_w.dumps(document).encode()


def unsent(file: RequirementFile) -> list[str]:
    """Return what a project needs from paths outside its own folder, which nobody would send.

    A path of poetry's counts wherever it is: it is understood in a lock alone.
    """
    document = _document(file)
    if file.origin is None or not document:
        return []
    folder = file.origin.parent
    needed = {
        _normalized(found[0])
        for line in _table(document, "project").get("dependencies", ())
        if (found := _NAME.match(line))
    }
    names = [
        name
        for name, path, _ in sources(replace(file, is_root=True)).values()
        if _normalized(name) in needed
        and not Path(os.path.normpath(folder / path)).is_relative_to(folder)
    ]
    return sorted(names) + _paths_of_poetry(document)


def _paths_of_poetry(document: Mapping[str, Any]) -> list[str]:
    table = _table(document, "tool", "poetry", "dependencies")
    return sorted(name for name, one in table.items() if isinstance(one, dict) and "path" in one)


def poetry_paths(file: RequirementFile) -> list[str]:
    """Return the packages that a ``pyproject.toml`` of poetry takes from paths."""
    return _paths_of_poetry(_document(file))


def _document(file: RequirementFile) -> dict[str, Any]:
    if not _MAY_NAME_PATHS.search(file.content):
        return {}  # as most: a long lock takes time to read
    try:
        return tomllib.loads(file.content.decode())
    except ValueError:
        return {}


def _table(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a table of a document; an empty one where there is none."""
    found: Any = document
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _sources(document: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for name, entry in _table(document, "tool", "uv", "sources").items():
        for number, source in enumerate(entry if isinstance(entry, list) else [entry]):
            if isinstance(source, dict):
                yield name, number, source


def _workspace_member(folder: Path, name: str) -> str | None:
    """Return where a workspace has a member, relative to *folder*; None when it has none."""
    for root in (folder, *folder.parents):
        try:
            text = (root / "pyproject.toml").read_text(encoding="utf-8")
            workspace = tomllib.loads(text)["tool"]["uv"]["workspace"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        for pattern in workspace.get("members", ()):
            for place in sorted(root.glob(pattern)):
                if _normalized(_project_name(place)) == _normalized(name):
                    return os.path.relpath(place, folder)
    return None


def _project_name(folder: Path) -> str:
    from buildkit_spec.spec.local_requirements import project_name

    return project_name(folder)


def _normalized(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _of_uv(lock: Mapping[str, Any], options: BuilderOptions) -> Iterator[Member]:
    """Follow what the project needs, as its lock says; with no project at the root, all members."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for package in lock.get("package", ()):
        by_name.setdefault(package["name"], []).append(package)
    everything = [package for entries in by_name.values() for package in entries]
    roots = [one for one in everything if "." in _local(one)] or [
        one for one in everything if one["name"] in lock.get("manifest", {}).get("members", ())
    ]
    pending: list[tuple[Mapping[str, Any], Sequence[str], Sequence[str]]] = [
        (root, options.extras, options.dependency_groups) for root in roots
    ]
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    while pending:
        package, extras, groups = pending.pop()
        key = (package["name"], package.get("version", ""), tuple(extras))
        if key in seen:
            continue
        seen.add(key)
        needs = [*package.get("dependencies", ())]
        for table, names in (("optional-dependencies", extras), ("dev-dependencies", groups)):
            for name in names:
                needs += package.get(table, {}).get(name, ())
        for need in needs:
            for one in by_name.get(need["name"], ()):
                pending.append((one, need.get("extra", ()), ()))
                source = one["source"]
                path = next((source[kind] for kind in _LOCAL if kind in source), ".")
                if path != ".":
                    yield one["name"], path, "editable" in source


_LOCAL = ("editable", "directory", "path")


def _local(package: Mapping[str, Any]) -> tuple[str, ...]:
    source = package["source"]
    return tuple(source[kind] for kind in (*_LOCAL, "virtual") if kind in source)


def _of_poetry(lock: Mapping[str, Any], options: BuilderOptions) -> Iterator[Member]:
    wanted = {"main", *options.dependency_groups}
    for package in lock.get("package", ()):
        source = package.get("source", {})
        is_wanted = not wanted.isdisjoint(package.get("groups", wanted))
        is_there = bool(options.extras) or not package.get("optional")
        if is_wanted and is_there and source.get("type") in {"directory", "file"}:
            yield package["name"], source["url"], bool(package.get("develop"))


def _of_pylock(lock: Mapping[str, Any], _: BuilderOptions) -> Iterator[Member]:
    for package in lock.get("packages", ()):
        source = package.get("directory") or package.get("archive") or {}
        if source.get("path", ".") not in {".", "./"}:
            yield package["name"], source["path"], bool(source.get("editable"))
