"""A cache in a registry stands in for everything that a daemon has built before."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from engines import empty_engine
from trees import layers_of

from buildkit_spec import BuildkitBuilder, ImageSpec, load_specs

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(name="hello")
def _hello(registry: str, base_image: str) -> ImageSpec:
    """The README's example: its packages are resolved, installed, and stand in a merge."""
    ((_, spec),) = load_specs(EXAMPLES / "hello" / "image.yaml")
    return spec.replace(registry=f"{registry}/cache-{uuid.uuid4().hex[:12]}", base_image=base_image)


def test_empty_daemon_runs_no_step_with_the_cache(
    builder: BuildkitBuilder, hello: ImageSpec, registry: str
) -> None:
    """Not even those that look at the base image and resolve the packages.

    The image has the same layers; what is imported is called so in its history.
    """
    place = f"{registry}/caches/{uuid.uuid4().hex}:main"
    writes = {"cache_to": [f"type=registry,ref={place},mode=max"]}
    written = builder.build(hello.with_builder_options(writes), force=True)

    with empty_engine() as empty:
        read = empty.build(hello.with_builder_options({"cache_from": [place]}), force=True)

    assert [step.name for step in read.steps if not step.is_cached] == []
    assert len(read.steps) > 5
    assert layers_of(read.reference) == layers_of(written.reference)


def test_cache_of_every_step_leaves_the_image_as_it_is(
    builder: BuildkitBuilder, hello: ImageSpec, registry: str
) -> None:
    """What was built to lay the image out goes into the cache, and not into the image."""
    plain = builder.build(hello, force=True)
    writes = {"cache_to": [f"type=registry,ref={registry}/caches/{uuid.uuid4().hex},mode=max"]}
    written = builder.build(hello.with_builder_options(writes), force=True)

    assert written.digest == plain.digest
