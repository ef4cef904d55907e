"""A plan knows which field of the spec a step comes from."""

from __future__ import annotations

import pytest

from buildkit_spec import llb
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.stage import Plan, PlatformPlan, Stage
from buildkit_spec.values import Platform

FIELDS = {
    "apt": "apt_packages",
    "python small-3": "packages",
    "base.python numpy": "requirements",
    "commands[1]": "commands[1]",
}


@pytest.mark.parametrize(
    ("vertex", "field"),
    [
        ("[apt] install jq", "apt_packages"),
        ("[python small-3] install six 1.17.0", "packages"),
        ("[linux/arm64 python small-3] install six 1.17.0", "packages"),
        ("[linux/arm/v7 base.python numpy] install numpy 2", "requirements"),
        ("[commands[1]] echo ] and more", "commands[1]"),
        ("[internal] join the layers", ""),
        ("apt", ""),
        ("", ""),
    ],
)
def test_field_of_a_vertex_is_told_by_its_name(vertex: str, field: str) -> None:
    """Also where the stage has several words, and where the platform stands before it."""
    stages = tuple(Stage(name, field, llb.scratch()) for name, field in FIELDS.items())
    one = PlatformPlan(Platform("linux", "amd64"), stages, llb.scratch(), ImageConfig())

    assert Plan((one,), 0).field_of(vertex) == field
