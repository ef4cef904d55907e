"""Laws of marshalling: the same graph gives the same bytes, inputs first, each vertex once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from llb_strategies import graphs

from buildkit_spec import llb
from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import Definition, State
from buildkit_spec.values import Platform

ARM64 = Platform("linux", "arm64")

_PROGRAM = """
import hashlib
from llb_graphs import GRAPHS, MARSHAL_OPTIONS
total = hashlib.sha256()
for name, make in sorted(GRAPHS.items()):
    total.update(make().marshal(**MARSHAL_OPTIONS.get(name, {})).to_bytes())
print(total.hexdigest())
"""


def test_marshal_is_the_same_in_every_process() -> None:
    """Bytes do not depend on Python's hash seed."""
    here = Path(__file__).parent
    root = here.parents[2]
    path = os.pathsep.join([str(root), str(here)])
    printed = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }

    assert len(printed) == 1
    assert len(printed.pop().strip()) == 64


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_marshal_puts_every_input_before_its_user(state: State) -> None:
    """Each op stands once, behind its inputs, and every op but the last is one."""
    definition = state.marshal()
    seen: set[str] = set()
    for data in definition.ops:
        op = pb.Op.FromString(data)
        assert all(edge.digest in seen for edge in op.inputs)
        seen.add("sha256:" + hashlib.sha256(data).hexdigest())

    assert len(seen) == len(definition.ops)
    assert {str(digest) for digest in definition.metadata} == seen


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_marshal_gives_a_valid_definition_that_is_read_back(state: State) -> None:
    """What we write we accept, and it comes back the same: ops by byte, metadata by meaning."""
    definition = state.marshal()
    loaded = Definition.from_bytes(definition.to_bytes())

    assert loaded.ops == definition.ops
    assert loaded.head == definition.head
    assert loaded.metadata.keys() == definition.metadata.keys()
    assert all(loaded.meta(one) == definition.meta(one) for one in definition.digests())
    assert Definition.from_bytes(loaded.to_bytes()) == loaded
    assert (loaded.head is None) == (state.output is None)


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_marshal_again_gives_equal_bytes_whatever_came_between(state: State) -> None:
    """What the marshaller remembers is never seen: neither platform nor id stays behind."""
    first = state.marshal()
    other = state.marshal(platform=ARM64, local_unique_id="one")
    state.marshal(platform=ARM64, local_unique_id="two")

    assert state.marshal() == first
    assert state.marshal(platform=ARM64, local_unique_id="one") == other


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_marshal_bytes_are_those_of_protobuf(state: State) -> None:
    """The envelope we write ourselves is what protobuf would write."""
    definition = state.marshal()
    message = pb.Definition(def_=definition.ops)
    for digest, meta in definition.metadata.items():
        message.metadata[str(digest)].MergeFromString(meta)

    assert pb.Definition.FromString(definition.to_bytes()) == message
    assert len(definition.to_bytes()) == message.ByteSize()


def test_marshal_writes_shared_vertices_once() -> None:
    """A graph whose paths double with every step is as large as it has vertices."""
    state = llb.image("busybox")
    for index in range(60):
        left, right = (state.run(["x", side, str(index)]).root for side in "lr")
        state = llb.merge([left, right])

    assert len(state.marshal().ops) == 1 + 60 * 3 + 1


def test_marshal_of_a_deep_graph_needs_no_recursion() -> None:
    """A chain deeper than Python's stack is marshalled, loaded, printed and dropped."""
    depth = 4 * sys.getrecursionlimit()
    state = llb.scratch()
    for index in range(depth):
        state = state.file(llb.mkdir(f"/{index}"))
    definition = state.marshal()

    assert len(definition.ops) == depth + 1
    assert Definition.from_bytes(definition.to_bytes()) == definition
    assert definition.to_text().endswith(f"result #{depth}\n")


def test_marshal_platform_is_that_of_vertices_without_one() -> None:
    """The marshal call's platform reaches images and commands, and none that has its own."""
    own = llb.image("busybox", platform=ARM64).run(["true"]).root
    open_ = llb.image("busybox").run(["true"]).root

    assert own.marshal() == own.marshal(platform=ARM64) == open_.marshal(platform=ARM64)
    assert open_.marshal() != open_.marshal(platform=ARM64)


@pytest.mark.parametrize(
    ("state", "caps"),
    [
        (llb.image("busybox"), {"constraints", "platform"}),
        (llb.image("busybox", name="n"), {"constraints", "platform", "meta.description"}),
        (
            llb.image("busybox", meta=llb.Meta(ignore_cache=True)),
            {"constraints", "platform", "meta.ignorecache"},
        ),
    ],
)
def test_marshal_tells_with_the_result_what_metadata_needs(state: State, caps: set[str]) -> None:
    """The result's metadata names the capabilities of all metadata in the graph."""
    definition = state.marshal()

    assert definition.meta(definition.digests()[-1]).caps == caps


def test_marshal_copy_with_patterns_needs_a_daemon_that_knows_them() -> None:
    """A daemon that would ignore a copy's patterns refuses the build instead."""
    copy = llb.copy(llb.scratch(), "/", "/", include=["*.py"], always_replace=True)
    definition = llb.scratch().file(copy, llb.symlink("a", "/b")).marshal()
    assert definition.head is not None

    assert definition.meta(definition.head).caps == {
        "file.base",
        "file.copy.includeexcludepatterns",
        "file.copy.alwaysreplaceexistingdestpaths",
        "file.symlink.create",
    }


def test_meta_name_given_beside_meta_wins() -> None:
    """``name=`` is short for a Meta with a name."""
    meta = llb.Meta(name="long", description={"k": "v"}, caps=frozenset({"x"}))
    definition = llb.image("busybox", name="short", meta=meta).marshal()
    assert definition.head is not None

    assert definition.meta(definition.head) == llb.Meta(
        name="short", description={"k": "v"}, caps=frozenset({"x", "source.image"})
    )
