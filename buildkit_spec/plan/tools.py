"""The images that the builder's own tools come from: found as base images are."""

from __future__ import annotations

from buildkit_spec.plan.cuda import wants_python
from buildkit_spec.plan.questions import Questions
from buildkit_spec.spec import ImageSpec
from buildkit_spec.values import Platform, Reference


def with_resolved_tools(spec: ImageSpec, questions: Questions, platform: Platform) -> ImageSpec:
    """Return the spec with what its tools' tags stand for now, from a mirror where there is one.

    Args:
        spec: What the user asked for.
        questions: Who answers what an image is.
        platform: What the steps run on.

    Raises:
        RegistryError: An image is not there, or it cannot be told.
    """
    config, needed = spec.builder_config, []
    if config.uv == "image" and config.uv_image and wants_python(spec):
        needed.append("uv_image")
    if spec.conda_packages:
        needed.append("micromamba_image")
    images = {
        name: questions.resolve_image(Reference.parse(getattr(config, name)), platform)
        for name in needed
    }
    if not images:
        return spec
    return spec.with_tools({name: str(one.reference) for name, one in images.items()})
