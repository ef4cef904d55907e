"""Rules that bind several fields together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from buildkit_spec.errors import InvalidReferenceError, Problem
from buildkit_spec.spec.checks import SAMPLE_HASH
from buildkit_spec.spec.requirements import RequirementKind
from buildkit_spec.values import DOCKER_HUB, Reference

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
    if kind not in {RequirementKind.TEXT, RequirementKind.PYPROJECT} and spec.packages:
        yield Problem(
            "packages",
            f"cannot be added to {kind.value}, which is complete as it is",
            "add them to the project and lock it again",
        )


def _project_is_there(spec: ImageSpec) -> Iterator[Problem]:
    options = spec.builder_options
    kind = RequirementKind.of(spec.requirements or "")
    has_project = kind.has_project or kind is RequirementKind.PYPROJECT
    for name in ("dependency_groups", "extras"):
        if getattr(options, name) and not has_project:
            yield Problem(
                f"builder_options.{name}",
                "are a project's, and requirements names none"
                + (f": {spec.requirements}" if spec.requirements else ""),
                "requirements: pyproject.toml, or its uv.lock or poetry.lock",
            )
    if options.install_project != "none" and spec.requirements is None:
        yield Problem(
            "builder_options.install_project",
            "is the project that requirements is of, which is missing",
            "requirements: pyproject.toml, or packages: [.]",
        )


def _conda_brings_python(spec: ImageSpec) -> Iterator[Problem]:
    if spec.conda_packages and spec.python_exec:
        yield Problem(
            "python_exec",
            "cannot be chosen: conda packages come with an interpreter of their own",
            "leave python_exec or conda_packages out",
        )


def _cuda_is_found(spec: ImageSpec) -> Iterator[Problem]:
    if spec.cudnn and not spec.cuda:
        yield Problem("cudnn", "is of a version of CUDA, which is missing", 'cuda: "12.4"')
    kind = RequirementKind.of(spec.requirements or "")
    is_wheel = spec.builder_options.cuda_from == "pip"
    if (spec.cuda or spec.cudnn) and is_wheel and kind is not RequirementKind.TEXT:
        yield Problem(
            "cuda" if spec.cuda else "cudnn",
            f"cannot be added to {kind.value}, which is complete as it is",
            "add the wheels to the project, or builder_options: {cuda_from: apt}",
        )


def _index_is_made(spec: ImageSpec) -> Iterator[Problem]:
    options = spec.builder_options
    has_index = "," in (spec.platform or "") or options.sbom or options.provenance
    for key in options.annotations:
        if key.startswith("index") and not has_index and ":" in key:
            yield Problem(
                f"builder_options.annotations.{key}",
                "is of an index, which an image for one platform has not",
                f"write {key.partition(':')[2]}, name several platforms, or ask for provenance",
            )


def _name_is_short(spec: ImageSpec) -> Iterator[Problem]:
    whole = f"{spec.registry}/{spec.name}" if spec.registry else spec.name
    try:
        Reference.parse(f"{whole}:{SAMPLE_HASH}")
    except InvalidReferenceError as error:
        yield Problem("name", f"makes no valid image name with the registry: {error.rule}")


def _name_has_no_registry(spec: ImageSpec) -> Iterator[Problem]:
    host = Reference.parse(f"{spec.name}:{SAMPLE_HASH}").registry
    if spec.registry is None and host != DOCKER_HUB:
        place, _, bare = spec.name.rpartition("/")
        yield Problem(
            "name", f"begins with a registry: {spec.name!r}", f"registry: {place}, name: {bare}"
        )


def _base_has_another_name(spec: ImageSpec) -> Iterator[Problem]:
    """A base spec that is pushed to the place of its own image, which waits for it."""
    place = _fixed_place(spec)
    base = spec.base_image
    while place and not isinstance(base, str) and base is not None:
        if base.registry and _fixed_place(base) == place:
            yield Problem(
                "tag_format",
                f"does not tell two images apart: {place} is also the base image's",
                'give them other names, or write "{spec_hash}" into it',
            )
            return
        base = base.base_image


def _fixed_place(spec: ImageSpec) -> str:
    """Return the image name of a spec whose tag says nothing of it; else an empty text."""
    tag = spec.tag_format or ""
    if not tag or tag.format(spec_hash=SAMPLE_HASH) != tag.format(spec_hash=""):
        return ""
    name = f"{spec.name}:{tag.format(spec_hash='')}"
    return f"{spec.registry}/{name}" if spec.registry else name


def _uv_image_is_named(spec: ImageSpec) -> Iterator[Problem]:
    if spec.builder_config.uv == "image" and not spec.builder_config.uv_image:
        yield Problem(
            "builder_config.uv_image",
            "is needed with uv: image",
            f"write uv_image: ghcr.io/astral-sh/uv:{spec.builder_config.uv_version}",
        )


def _uv_is_brought(spec: ImageSpec) -> Iterator[Problem]:
    if spec.builder_options.uv_path and spec.builder_config.uv == "base":
        yield Problem(
            "builder_options.uv_path",
            "asks for uv, which builder_config says the base image holds",
            "leave one of them out",
        )


_LAWS: tuple[tuple[tuple[str, ...], Callable[[ImageSpec], Iterator[Problem]]], ...] = (
    (("packages", "requirements"), _lock_is_complete),
    (("requirements", "builder_options"), _project_is_there),
    (("conda_packages", "python_exec"), _conda_brings_python),
    (("cuda", "cudnn", "requirements", "builder_options"), _cuda_is_found),
    (("platform", "builder_options"), _index_is_made),
    (("name", "registry"), _name_is_short),
    (("name", "registry"), _name_has_no_registry),
    (("name", "registry", "tag_format", "base_image"), _base_has_another_name),
    (("builder_config",), _uv_image_is_named),
    (("builder_config", "builder_options"), _uv_is_brought),
)
