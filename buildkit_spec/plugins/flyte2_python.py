"""Python packages of Flyte 2's layers, as fields of a spec."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name, parse_wheel_filename

from buildkit_spec.errors import Problem, SpecValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from flyte._image import (
        PipOption,
        PipPackages,
        PoetryProject,
        PythonWheels,
        Requirements,
        UVProject,
        UVScript,
    )

_Fields = dict[str, Any]


def first_index(layers: Iterable[Any]) -> _Fields:
    """Return the indexes of the first layer that names any: where ``uv`` itself comes from."""
    for layer in layers:
        found = _indexes(layer) if hasattr(layer, "index_url") else {}
        if found:
            return found
    return {}


def packages(layer: PipPackages | UVScript, names: Sequence[str] | None = None) -> _Fields:
    """Return the fields of a layer of packages, or of other *names* with its options."""
    given = names if names is not None else layer.packages or ()
    return {"packages": list(given), **_pip(layer)}


def requirements(layer: Requirements) -> _Fields:
    """Return the fields of a requirements file."""
    return {"requirements": os.path.abspath(layer.file), **_pip(layer)}


def wheel(layer: PythonWheels) -> _Fields:
    """Return the fields of the newest wheel of a package in a folder.

    Raises:
        SpecValidationError: There is none, or only the platform tells several apart.
    """
    name = canonicalize_name(layer.package_name)
    found = []
    for file in sorted(layer.wheel_dir.glob("*.whl")):
        distribution, version, _, tags = parse_wheel_filename(file.name)
        if distribution == name:
            found.append((version, any(tag.platform == "any" for tag in tags), file))
    newest = [one for one in found if one[0] == max(found)[0]]
    chosen = [one for one in newest if one[1]] or newest
    if len(chosen) != 1:
        many = "several wheels" if chosen else "no wheel"
        message = f"{layer.wheel_dir} has {many} of {layer.package_name}"
        raise SpecValidationError([Problem("wheel_dir", message, "leave one there")])
    return {"packages": [os.path.abspath(chosen[0][2])], **_pip(layer)}


def uv_project(layer: UVProject) -> _Fields:
    """Return the fields of a uv project: what ``uv sync --inexact`` installs of it.

    Raises:
        SpecValidationError: The files do not stand together, or an argument has no field here.
    """
    file = layer.uvlock or layer.pyproject
    _stand_together(layer.pyproject, file, "uv.lock" if layer.uvlock else "pyproject.toml")
    document = _toml(layer.pyproject)
    default = document.get("tool", {}).get("uv", {}).get("default-groups", ["dev"])
    known = [*document.get("dependency-groups", {})]
    if document.get("tool", {}).get("uv", {}).get("dev-dependencies") and "dev" not in known:
        known.append("dev")
    groups = set(known if default == "all" else (one for one in default if one in known))
    extras: set[str] = set()
    rest: list[str] = []
    project = "normal" if layer.project_install_mode == "install_project" else "none"
    words = shlex.split(layer.extra_args or "")
    while words:
        flag, _, value = words.pop(0).partition("=")
        if flag in {"--extra", "--group", "--no-group", "--only-group"}:
            value = value or (words.pop(0) if words else "")
        if flag == "--extra":
            extras.add(value)
        elif flag == "--all-extras":
            extras.update(document.get("project", {}).get("optional-dependencies", {}))
        elif flag == "--group":
            groups.add(value)
        elif flag == "--all-groups":
            groups.update(known)
        elif flag == "--no-group":
            groups.discard(value)
        elif flag == "--dev":
            groups.add("dev")
        elif flag == "--no-dev":
            groups.discard("dev")
        elif flag == "--no-default-groups":
            groups.clear()
        elif flag == "--no-install-project":
            project = "none"
        elif flag not in {"--frozen", "--locked", "--inexact", "--no-editable", "--active"}:
            rest.append(f"{flag}={value}" if value else flag)
    options = {
        "dependency_groups": sorted(groups),
        "extras": sorted(extras),
        "install_project": project,
    }
    return {
        "requirements": os.path.abspath(file),
        "builder_options": options,
        **_pip(layer, shlex.join(rest)),
    }


def uv_project_of_script(layer: UVScript, folder: str) -> _Fields:
    """Return the fields of a project that a script names; the project itself is installed too."""
    from flyte._image import UVProject

    lock = Path(folder) / "uv.lock"
    return uv_project(
        UVProject(
            pyproject=Path(folder) / "pyproject.toml",
            uvlock=lock if lock.exists() else None,
            project_install_mode="install_project",
            pre=layer.pre,
            extra_args=layer.extra_args,
            index_url=layer.index_url,
            extra_index_urls=layer.extra_index_urls,
        )
    )


def poetry_project(layer: PoetryProject) -> _Fields:
    """Return the fields of a poetry project: what ``poetry install`` installs of it.

    Raises:
        SpecValidationError: As for `uv_project`.
    """
    _stand_together(layer.pyproject, layer.poetry_lock, "poetry.lock")
    document = _toml(layer.pyproject)
    poetry = document.get("tool", {}).get("poetry", {})
    declared = poetry.get("group", {})
    groups = {name for name, group in declared.items() if not group.get("optional")}
    groups.update(one for one in document.get("dependency-groups", {}) if one not in declared)
    if poetry.get("dev-dependencies"):
        groups.add("dev")
    extras: set[str] = set()
    project = "normal" if layer.project_install_mode == "install_project" else "none"
    words = shlex.split(layer.extra_args or "")
    while words:
        flag, _, value = words.pop(0).partition("=")
        if flag in {"--with", "--without", "--only", "--extras", "-E"}:
            value = value or (words.pop(0) if words else "")
        named = set(re.split(r"[\s,]+", value.strip())) - {""}
        if flag == "--with":
            groups |= named
        elif flag == "--without":
            groups -= named
        elif flag == "--only" and named == {"main"}:
            groups.clear()
        elif flag in {"--extras", "-E"}:
            extras |= named
        elif flag == "--all-extras":
            extras.update(poetry.get("extras", {}))
            extras.update(document.get("project", {}).get("optional-dependencies", {}))
        elif flag == "--all-groups":
            groups.update(declared)
        elif flag == "--no-root":
            project = "none"
        elif flag not in {"--no-interaction", "-n", "--quiet", "-q", "--no-ansi", "--compile"}:
            raise _no_field(f"{flag}={value}" if value else flag, "poetry install")
    options = {
        "dependency_groups": sorted(groups),
        "extras": sorted(extras),
        "install_project": project,
    }
    return {"requirements": os.path.abspath(layer.poetry_lock), "builder_options": options}


def _pip(layer: PipOption, arguments: str | None = None) -> _Fields:
    words = [] if not layer.pre else ["--prerelease=allow"]
    more = layer.extra_args if arguments is None else arguments
    text = " ".join([*words, *([more] if more else [])])
    return {**_indexes(layer), **({"pip_extra_args": text} if text else {})}


def _indexes(layer: PipOption) -> _Fields:
    fields: _Fields = {}
    if layer.index_url:
        fields["pip_index"] = layer.index_url
    if layer.extra_index_urls:
        fields["pip_extra_index_url"] = list(layer.extra_index_urls)
    return fields


def _stand_together(pyproject: Path, file: Path, name: str) -> None:
    if pyproject.name != "pyproject.toml" or file.name != name:
        message = f"{pyproject.name} and {file.name} are not called pyproject.toml and {name}"
        raise SpecValidationError([Problem("pyproject", message, "rename them")])
    if pyproject.resolve().parent != file.resolve().parent:
        message = f"{pyproject} and {file} are not in one folder"
        raise SpecValidationError([Problem("pyproject", message, "put the lock beside it")])


def _no_field(argument: str, tool: str) -> SpecValidationError:
    message = f"{argument} of {tool} has no counterpart here"
    return SpecValidationError([Problem("extra_args", message, "leave it out")])


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecValidationError([Problem("pyproject", f"{file} cannot be read")]) from error
