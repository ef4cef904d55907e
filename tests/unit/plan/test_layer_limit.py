"""An image that no runtime could start is refused before anything is built."""

from __future__ import annotations

import json

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.errors import SpecValidationError
from buildkit_spec.llb import State
from buildkit_spec.plan import Plan, Settings, make_plan
from buildkit_spec.values import Digest, Platform, Reference, ResolvedImage

PROBE = b"distro=debian-12\npython=/usr/bin/python3\nversion=3.11.2\ntools= apt-get dpkg\n"


class Answers:
    """A base image of so many layers."""

    def __init__(self, layers: int) -> None:
        self.layers = layers

    def resolve_image(self, reference: Reference, platform: Platform) -> ResolvedImage:
        digest = Digest.of(str(reference).encode())
        rootfs = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * self.layers}
        config = json.dumps({"config": {}, "rootfs": rootfs}).encode()
        return ResolvedImage(reference.with_digest(digest), digest, config)

    def read_file(self, state: State, path: str, platform: Platform) -> bytes:
        return PROBE

    def supports(self, capability: str) -> bool:
        return True


def plan(spec: ImageSpec, layers: int) -> Plan:
    return make_plan(spec, Answers(layers), Settings(), [Platform("linux", "amd64")])


def commands(count: int) -> ImageSpec:
    return ImageSpec(base_image="debian:12", commands=[f"echo {one}" for one in range(count)])


def test_as_many_layers_as_a_runtime_stacks_are_planned() -> None:
    """127, the base's included."""
    (one,) = plan(commands(120), 7).platforms

    assert len(one.stages) - 1 == 120


def test_too_many_commands_are_refused() -> None:
    """The error tells how many layers there are, and what to join."""
    with pytest.raises(SpecValidationError) as caught:
        plan(commands(121), 7)
    (problem,) = caught.value.problems

    assert problem.field == "commands"
    assert "128 layers, 7 of the base image; runtimes stack 127" in problem.message
    assert "&&" in problem.remedy


def test_base_image_that_has_all_layers_already_is_refused() -> None:
    """Nothing of the spec could be joined."""
    spec = ImageSpec(base_image="debian:12", apt_packages=["tree"])
    with pytest.raises(SpecValidationError) as caught:
        plan(spec, 127)
    (problem,) = caught.value.problems

    assert problem.field == "base_image"
    assert "128 layers, 127 of the base image" in problem.message
    assert plan(ImageSpec(base_image="debian:12", env={"A": "1"}), 127)


def test_base_specs_count() -> None:
    """Layers of a base that is a spec are the image's too; the outer spec is refused."""
    with pytest.raises(SpecValidationError, match="140 layers, 70 of the base"):
        plan(commands(70).replace(base_image=commands(69)), 1)
