"""A cache in a registry stands in for everything that a daemon has built before."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from engines import empty_engine
from making import MakeSpec
from registries import INDEX_TYPE, MANIFEST_TYPE
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


def test_cache_is_compressed_and_described_as_asked(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """Layers of the kind that is named, in an image's manifest or in an index as ever."""
    repository = f"caches/{uuid.uuid4().hex}"
    targets = [
        f"type=registry,ref={registry}/{repository}:zstd,mode=max,image-manifest=true,"
        "oci-mediatypes=true,compression=zstd,force-compression=true",
        f"type=registry,ref={registry}/{repository}:index,mode=max,image-manifest=false",
        "type=inline",
    ]
    made = spec(commands=[f"echo {uuid.uuid4()} > /made"], builder_options={"cache_to": targets})
    builder.build(made)

    zstd, index = (
        _manifest(registry, repository, tag, media_type)
        for tag, media_type in (("zstd", MANIFEST_TYPE), ("index", INDEX_TYPE))
    )
    assert zstd["mediaType"] == MANIFEST_TYPE
    assert {one["mediaType"].rpartition("+")[2] for one in zstd["layers"]} == {"zstd"}
    assert index["mediaType"] == INDEX_TYPE
    assert {one["mediaType"].rpartition("+")[2] for one in index["manifests"][:-1]} == {"gzip"}


def test_any_of_several_caches_is_enough(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """The one that has the step is found behind one that has another, and one that is not there."""
    mark = uuid.uuid4().hex
    places = [f"{registry}/caches/{mark}:{tag}" for tag in ("none", "other", "right")]
    plain = spec(commands=[f"echo {mark} > /made"])
    other = spec(name="other", commands=[f"echo {mark} > /other"])
    for one, place in ((other, places[1]), (plain, places[2])):
        builder.build(
            one.with_builder_options({"cache_to": [f"type=registry,ref={place},mode=max"]})
        )
    with builder.connect() as client:
        assert list(client.prune([f"description~={mark}"], all=True))

    reads = builder.build(plain.with_builder_options({"cache_from": places}), force=True)

    assert [step.is_cached for step in reads.steps] == [True]


def _manifest(registry: str, repository: str, tag: str, media_type: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": media_type}
    )
    with urllib.request.urlopen(request) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def test_cache_that_cannot_be_used_is_warned_of(buildkit_host: str, spec: MakeSpec) -> None:
    """A cache of GitHub's without its token is passed over, on the command line too."""
    caches = {"cache_from": ["type=gha"], "cache_to": ["type=gha,mode=max"]}
    made = spec(commands=[f"echo {uuid.uuid4()}"], builder_options=caches)
    env = {key: text for key, text in os.environ.items() if not key.startswith("ACTIONS_")}
    warnings: list[str] = []
    BuildkitBuilder(buildkit_host, env=env).build(
        made, on_status=lambda update: warnings.extend(one.short for one in update.warnings)
    )

    assert [one.partition(":")[0] for one in warnings] == ["cache_from", "cache_to"]
    assert all("ACTIONS_RUNTIME_TOKEN is not set" in one for one in warnings)


def test_cache_in_an_insecure_registry_is_spoken_to_in_the_clear(
    buildkit_host: str, spec: MakeSpec, registry: str
) -> None:
    """``--insecure-registry`` holds for caches too; 0.0.0.0 is no loopback to a daemon."""
    host = registry.replace("127.0.0.1", "0.0.0.0")
    place, mark = f"{host}/caches/{uuid.uuid4().hex}:main", uuid.uuid4().hex
    caches = {"cache_from": [place], "cache_to": [f"type=registry,ref={place},mode=max"]}
    made = spec(commands=[f"echo {mark} > /made"], builder_options=caches)
    builder = BuildkitBuilder(buildkit_host, insecure_registries=[host])

    builder.build(made)
    with builder.connect() as client:
        assert list(client.prune([f"description~={mark}"], all=True))
    read = builder.build(made, force=True)

    assert [step.is_cached for step in read.steps] == [True]
