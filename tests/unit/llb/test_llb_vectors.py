"""Our graphs against those of BuildKit's own Go client: equal bytes, equal metadata."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from llb_graphs import GRAPHS, MARSHAL_OPTIONS, NOT_OFFERED

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import Definition
from buildkit_spec.llb.constants import (
    CAP_FILE_COPY_ALWAYS_REPLACE,
    CAP_FILE_COPY_PATTERNS,
    CAP_FILE_COPY_REQUIRED_PATHS,
    CAP_FILE_RM_WILDCARD,
    CAP_FILE_SYMLINK_CREATE,
)
from buildkit_spec.values import Platform

VECTORS: dict[str, dict[str, Any]] = {
    vector["name"]: vector
    for vector in json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))["vectors"]
}

FILE_CAPS = {
    CAP_FILE_COPY_ALWAYS_REPLACE,
    CAP_FILE_COPY_PATTERNS,
    CAP_FILE_COPY_REQUIRED_PATHS,
    CAP_FILE_RM_WILDCARD,
    CAP_FILE_SYMLINK_CREATE,
}
"""What file vertices need and Go's client forgets to say."""


def reference(name: str) -> Any:
    return pb.Definition.FromString(base64.b64decode(VECTORS[name]["definition"]))


def marshalled(name: str) -> Definition:
    platform = Platform(*VECTORS[name]["platform"].split("/"))
    return GRAPHS[name]().marshal(platform=platform, **MARSHAL_OPTIONS.get(name, {}))


def test_vectors_are_all_made_or_explained() -> None:
    """Every vector has a graph here, or a reason why we do not offer it, and none has both."""
    assert {*GRAPHS, *NOT_OFFERED} == set(VECTORS)
    assert not GRAPHS.keys() & NOT_OFFERED.keys()


@pytest.mark.parametrize("name", GRAPHS)
def test_marshal_digests_equal_those_of_go(name: str) -> None:
    """Every op has the digest Go's client gives it, in the same order, with the same head."""
    definition = marshalled(name)

    assert [str(digest) for digest in definition.digests()] == VECTORS[name]["digests"]
    assert str(definition.head or "") == VECTORS[name]["head"]
    assert list(definition.ops) == list(reference(name).def_)


@pytest.mark.parametrize("name", GRAPHS)
def test_marshal_metadata_equals_that_of_go(name: str) -> None:
    """Names, groups, flags and capabilities are Go's; file vertices tell more capabilities."""
    definition = marshalled(name)
    expected = reference(name).metadata

    assert {str(digest) for digest in definition.metadata} == set(expected)
    for digest, data in definition.metadata.items():
        ours = pb.OpMetadata.FromString(data)
        for cap in FILE_CAPS - set(expected[str(digest)].caps):
            ours.caps.pop(cap, None)
        assert ours == expected[str(digest)]


@pytest.mark.parametrize("name", VECTORS)
def test_definition_from_bytes_keeps_what_go_wrote(name: str) -> None:
    """A definition of Go's client is loaded and written back without loss."""
    data = base64.b64decode(VECTORS[name]["definition"])

    loaded = Definition.from_bytes(data)
    written = loaded.to_bytes()

    # As messages: protobuf's Python library orders map keys otherwise, where one begins another.
    assert pb.Definition.FromString(written) == pb.Definition.FromString(data)
    assert Definition.from_bytes(written) == loaded
    assert [str(digest) for digest in loaded.digests()] == VECTORS[name]["digests"]
    assert str(loaded.head or "") == VECTORS[name]["head"]


@pytest.mark.parametrize("name", VECTORS)
def test_definition_of_go_is_printed_without_digests_of_vertices(name: str) -> None:
    """Every definition of Go's client has a text, a JSON document and a drawing."""
    loaded = Definition.from_bytes(base64.b64decode(VECTORS[name]["definition"]))
    document = json.loads(loaded.to_json())

    assert loaded.to_text().endswith(f"result {document['result']}\n")
    assert len(document["vertices"]) == max(0, len(VECTORS[name]["digests"]) - 1)
    assert loaded.to_dot().startswith("digraph")
    printed = loaded.to_text() + loaded.to_json() + loaded.to_dot()
    assert not any(digest in printed for digest in VECTORS[name]["digests"])
