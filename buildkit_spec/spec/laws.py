"""Rules that bind several fields together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from buildkit_spec.errors import InvalidReferenceError, Problem
from buildkit_spec.spec.checks import SAMPLE_HASH
from buildkit_spec.spec.requirements import RequirementKind
from buildkit_spec.values import Reference

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec


def broken_laws(spec: ImageSpec, wrong: Collection[str]) -> list[Problem]:
    """Return the problems that no field has alone.

    Args:
        spec: The spec, or the valid part of a wrong one.
        wrong: Fields that are wrong themselves; no law that needs one of them is asked.
    """
    return [
        problem
        for fields, law in _LAWS
        if not any(field in wrong for field in fields)
        for problem in law(spec)
    ]


def _lock_is_complete(spec: ImageSpec) -> Iterator[Problem]:
    kind = RequirementKind.of(spec.requirements or "")
    if kind is not RequirementKind.TEXT and spec.packages:
        yield Problem(
            "packages",
            f"cannot be added to {kind.value}, which is complete as it is",
            "add them to the project and lock it again",
        )


def _conda_brings_python(spec: ImageSpec) -> Iterator[Problem]:
    if spec.conda_packages and spec.python_exec:
        yield Problem(
            "python_exec",
            "cannot be chosen: conda packages come with an interpreter of their own",
            "leave python_exec or conda_packages out",
        )


def _name_is_short(spec: ImageSpec) -> Iterator[Problem]:
    whole = f"{spec.registry}/{spec.name}" if spec.registry else spec.name
    try:
        Reference.parse(f"{whole}:{SAMPLE_HASH}")
    except InvalidReferenceError as error:
        yield Problem("name", f"makes no valid image name with the registry: {error.rule}")


def _uv_image_is_named(spec: ImageSpec) -> Iterator[Problem]:
    if spec.builder_config.uv == "image" and not spec.builder_config.uv_image:
        yield Problem(
            "builder_config.uv_image",
            "is needed with uv: image",
            f"write uv_image: ghcr.io/astral-sh/uv:{spec.builder_config.uv_version}",
        )


_LAWS: tuple[tuple[tuple[str, ...], Callable[[ImageSpec], Iterator[Problem]]], ...] = (
    (("packages", "requirements"), _lock_is_complete),
    (("conda_packages", "python_exec"), _conda_brings_python),
    (("name", "registry"), _name_is_short),
    (("builder_config",), _uv_image_is_named),
)
