"""The Python packages without which Flyte cannot start an image: flytekit, and pip at times."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import ImageSpec, RequirementFile, RequirementKind, requirement_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = re.compile(r"\s*([A-Za-z0-9._-]*[A-Za-z0-9])")
_LOCKED_NAME = re.compile(r'^name = "([^"]+)"', re.MULTILINE)


def needed_packages(spec: Any, *, has_flytekit: bool) -> list[str]:
    """Return what the image of a spec must hold: flytekit as it is installed here, and pip.

    Args:
        spec: flytekit's spec.
        has_flytekit: Whether its base image has flytekit.

    Source: flytekit ``image_spec/default_builder.py``, ``get_flytekit_for_pypi``;
    ``bin/entrypoint.py``, ``setup_execution``.
    """
    needed = []
    if not has_flytekit:
        version = metadata.version("flytekit")
        is_released = version and "dev" not in version
        needed.append(f"flytekit=={version}" if is_released else "flytekit")
    if getattr(spec, "runtime_packages", None):  # a field since 1.15
        needed.append("pip")  # installs them as a container starts
    return needed


def with_needed(spec: ImageSpec, needed: Sequence[str]) -> ImageSpec:
    """Return the spec with what is *needed* and not named by it.

    To a lock, which is complete as it is, nothing is added: see `lacking`.
    """
    missing = [] if _is_locked(spec) else _missing(spec, needed)
    return spec.with_packages(missing) if missing else spec


def lacking(spec: ImageSpec, needed: Sequence[str]) -> list[str]:
    """Return what is *needed* and not in the spec's lock; it may be in the base image."""
    return _missing(spec, needed) if _is_locked(spec) else []


def _is_locked(spec: ImageSpec) -> bool:
    kind = RequirementKind.of(spec.requirements or "")
    return kind not in {RequirementKind.TEXT, RequirementKind.PYPROJECT}


def _missing(spec: ImageSpec, needed: Sequence[str]) -> list[str]:
    try:
        files = requirement_files(spec)
    except SpecValidationError:
        return []  # told, with all other problems, when the tag is made
    named = {_name(one) for one in spec.packages or ()}
    for file in files:
        named.update(map(_name, _requirements(file, spec)))
    return [one for one in needed if _name(one) not in named]


def _requirements(file: RequirementFile, spec: ImageSpec) -> list[str]:
    text = file.content.decode(errors="replace")
    kind = RequirementKind.of(file.path)
    if kind is RequirementKind.TEXT:
        return text.splitlines()
    if kind is not RequirementKind.PYPROJECT:
        return _LOCKED_NAME.findall(text)
    try:
        document = tomllib.loads(text)
        project, groups = document.get("project", {}), document.get("dependency-groups", {})
        found = list(project.get("dependencies", ()))
        for extra in spec.builder_options.extras:
            found += project.get("optional-dependencies", {}).get(extra, ())
        for group in spec.builder_options.dependency_groups:
            found += groups.get(group, ())
    except (ValueError, AttributeError, TypeError):
        return []  # uv tells what is wrong with it
    return [one for one in found if isinstance(one, str)]


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""
