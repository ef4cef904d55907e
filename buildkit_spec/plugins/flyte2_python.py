"""Python packages of Flyte 2's layers, as fields of a spec."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plugins.flyte2_projects import poetry_wish, uv_wish
from buildkit_spec.plugins.flyte2_wheels import chosen

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


def packages(layer: PipPackages | UVScript, names: Sequence[str] | None = None) -> _Fields:
    """Return the fields of a layer of packages, or of other *names* with its options."""
    given = names if names is not None else layer.packages or ()
    return {"packages": list(given), **_pip(layer)}


def requirements(layer: Requirements) -> _Fields:
    """Return the fields of a requirements file."""
    return {"requirements": _absolute(layer.file), **_pip(layer)}


def wheel(layer: PythonWheels) -> _Fields:
    """Return the fields of the newest wheel of a package in a folder, and of what it needs of it.

    Raises:
        SpecValidationError: There is none, or only the platform tells several apart.
    """
    files = chosen(layer.wheel_dir, layer.package_name)
    return {"packages": [_absolute(file) for file in files], **_pip(layer)}


def uv_project(layer: UVProject) -> _Fields:
    """Return the fields of a uv project: what ``uv sync --inexact`` installs of it.

    Raises:
        SpecValidationError: The files do not stand together, or an argument has no field here.
    """
    file = layer.uvlock or layer.pyproject
    _stand_together(layer.pyproject, file, "uv.lock" if layer.uvlock else "pyproject.toml")
    wish = uv_wish(_toml(layer.pyproject), layer.extra_args or "")
    return {
        "requirements": _absolute(file),
        "builder_options": wish.options(layer.project_install_mode == "install_project"),
        **_pip(layer, shlex.join(wish.rest)),
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
    wish = poetry_wish(_toml(layer.pyproject), layer.extra_args or "")
    if wish.rest:
        message = f"{wish.rest[0]} of poetry install has no counterpart here"
        raise SpecValidationError([Problem("extra_args", message, "leave it out")])
    return {
        "requirements": _absolute(layer.poetry_lock),
        "builder_options": wish.options(layer.project_install_mode == "install_project"),
    }


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


def _absolute(file: Path) -> str:
    return str(Path.cwd() / file)


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecValidationError([Problem("pyproject", f"{file} cannot be read")]) from error
