"""The images of a build at their registries: what must be readable, and what must be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from buildkit_spec.doctor.finding import Finding, bad
from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.registry import Registry
from buildkit_spec.spec import ImageSpec
from buildkit_spec.values import Reference

Role = Literal["named", "target", "base", "cache_from", "cache_to"]


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """An image that a build deals with.

    Attributes:
        reference: Its name.
        registry: Whom to ask.
        role: What it is to the build; ``named`` is one that somebody just asks about.
    """

    reference: Reference
    registry: Registry
    role: Role = "named"


def questions_of(
    spec: ImageSpec, registry_for: Callable[[ImageSpec], Registry]
) -> Iterator[ImageQuestion]:
    """Yield what a spec deals with: its image, its base, its caches in registries.

    Args:
        spec: What is to be built; a base that is a spec too is part of it.
        registry_for: Returns the registry client that does as a spec says.

    Raises:
        SpecValidationError: The spec's ``registry_config`` cannot be used.
    """
    registry = registry_for(spec)
    if spec.registry:
        yield ImageQuestion(Reference.parse(spec.image_name()), registry, "target")
    base = spec.base_image
    if isinstance(base, ImageSpec):
        yield from questions_of(base, registry_for)
    elif base != "scratch":
        named = Reference.parse(base or spec.default_base_image())
        yield ImageQuestion(named, registry, "base")
    options = spec.builder_options
    for entry in options.cache_from:
        if entry["type"] == "registry":
            yield ImageQuestion(Reference.parse(entry["ref"]), registry, "cache_from")
    for entry in options.cache_to:
        if entry["type"] == "registry":
            yield ImageQuestion(Reference.parse(entry["ref"]), registry, "cache_to")


def look_at(question: ImageQuestion) -> Iterator[Finding]:
    """Ask a registry about an image; nothing is raised, and nothing is left there."""
    image, registry, role = question.reference, question.registry, question.role
    if role == "base":
        yield _base(image, registry)
    elif role == "cache_from":
        yield _cache(image, registry)
    elif role == "cache_to":
        yield _push(image, registry, "caches")
    else:
        yield _image(image, registry)
        if role == "target":
            yield _push(image, registry, "push")


def _image(image: Reference, registry: Registry) -> Finding:
    try:
        login = registry.logins.credentials(image.registry, image.repository)
        who = "with a login" if login is not None else "without a login"
        there = registry.exists(image)
    except BuildkitSpecError as error:
        return bad("registry", error)
    return Finding(
        "registry", "ok", f"{image.registry}, {who}: {image} {'is' if there else 'is not'} there"
    )


def _base(image: Reference, registry: Registry) -> Finding:
    try:
        there = registry.exists(image)
    except BuildkitSpecError as error:
        return bad("base image", error)
    if not there:
        return Finding(
            "base image", "bad", f"there is no image {image.familiar}", "check name and tag"
        )
    return Finding("base image", "ok", f"{image.familiar} is there")


def _cache(image: Reference, registry: Registry) -> Finding:
    try:
        there = registry.exists(image)
    except BuildkitSpecError as error:
        return replace(bad("caches", error), level="warn")  # a build goes on without
    return Finding("caches", "ok", f"{image} {'is' if there else 'is not'} there")


def _push(image: Reference, registry: Registry, subject: str) -> Finding:
    try:
        registry.try_push(image)
    except BuildkitSpecError as error:
        return bad(subject, error)
    return Finding(subject, "ok", f"{image.name} may be pushed to")
