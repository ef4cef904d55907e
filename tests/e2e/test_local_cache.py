"""Caches in a directory of the machine that builds."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

from making import MakeSpec
from pulled import ACCEPT, get

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.values import StatusUpdate


def forget(builder: BuildkitBuilder, mark: str) -> None:
    """Make the daemon forget the steps whose command holds a mark, and no others."""
    with builder.connect() as client:
        assert list(client.prune([f"description~={mark}"], all=True))


def is_cached(result: BuildResult, mark: str) -> bool:
    (step,) = (step for step in result.steps if mark in step.name)
    return step.is_cached


def layers(result: BuildResult) -> list[str]:
    """Digests of an image's layers."""
    name = result.reference
    url = f"http://{name.registry}/v2/{name.repository}/manifests/{result.digest}"
    return [layer["digest"] for layer in json.loads(get(url, ACCEPT))["layers"]]


def test_daemon_that_forgot_builds_from_a_directory(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """The steps come from there with the same layers; before there is one, that is warned of."""
    mark, place = uuid.uuid4().hex, tmp_path / "cache"
    image: ImageSpec = spec(
        commands=[f"echo {mark} > /made"],
        builder_options={
            "cache_from": [f"type=local,src={place}"],
            "cache_to": [f"type=local,dest={place},mode=max"],
        },
    )
    warnings: list[str] = []

    def note(update: StatusUpdate) -> None:
        warnings.extend(one.short for one in update.warnings)

    first = builder.build(image, force=True, on_status=note)
    forget(builder, mark)
    second = builder.build(image, force=True, on_status=note)

    assert warnings == [f"cache_from: there is no cache in {place} yet"]
    assert (is_cached(first, mark), is_cached(second, mark)) == (False, True)
    assert layers(first) == layers(second)
    for blob in (place / "blobs/sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    (entry,) = json.loads((place / "index.json").read_text())["manifests"]
    assert (place / "blobs" / entry["digest"].replace(":", "/")).is_file()


def test_tags_part_the_caches_of_one_directory(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Of another tag nothing is taken."""
    mark, place = uuid.uuid4().hex, tmp_path / "cache"
    written = spec(
        commands=[f"echo {mark} > /made"],
        builder_options={"cache_to": [f"type=local,dest={place},tag=one,mode=max"]},
    )
    builder.build(written, force=True)
    cached = {}
    for tag in ("two", "one"):
        forget(builder, mark)
        read = written.replace(
            builder_options={"cache_from": [f"type=local,src={place},tag={tag}"]}
        )
        cached[tag] = is_cached(builder.build(read, force=True), mark)

    assert cached == {"two": False, "one": True}
