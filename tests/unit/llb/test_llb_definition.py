"""Definitions that come from outside: read whole, or refused with a reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llb_strategies import graphs

from buildkit_spec import llb
from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidDefinitionError
from buildkit_spec.llb import Definition, State
from buildkit_spec.values import Digest

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))["vectors"]
REAL = [base64.b64decode(vector["definition"]) for vector in VECTORS if len(vector["digests"]) < 20]


def digest(op: pb.Op) -> str:
    return str(Digest.of(op.SerializeToString(deterministic=True)))


def definition(*ops: pb.Op) -> bytes:
    return pb.Definition(
        def_=[op.SerializeToString(deterministic=True) for op in ops]
    ).SerializeToString()


def on(*inputs: pb.Op, **body: object) -> pb.Op:
    return pb.Op(inputs=[pb.Input(digest=digest(one)) for one in inputs], **body)


SOURCE = pb.Op(source=pb.SourceOp(identifier="docker-image://busybox"))
EXEC = pb.ExecOp(mounts=[pb.Mount(input=0, dest="/")])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "definition is not a pb.Definition message"),
        (b"\x0a\xff", "definition is not a pb.Definition message"),
        (pb.Definition(def_=[b"\xff"]).SerializeToString(), "op 1 of 1 is not a pb.Op message"),
        (definition(on(SOURCE), SOURCE), "op 1 of 2 builds on 'sha256:.*not defined before it"),
        (definition(SOURCE), "op 1 of 1 is the last one, but not a result"),
        (definition(SOURCE, on(SOURCE), on(SOURCE)), "op 2 of 3 is a second result"),
        (definition(SOURCE, on(SOURCE, SOURCE)), "is the result, but of 2 inputs"),
        (definition(pb.Op()), "is the result, but of 0 inputs"),
        (
            definition(SOURCE, pb.Op(inputs=[pb.Input(digest=digest(SOURCE), index=-1)])),
            "builds on output -1",
        ),
        (definition(pb.Op(exec=EXEC), on(SOURCE)), "op 1 of 2 uses input 0, but has 0"),
        (
            definition(on(merge=pb.MergeOp(inputs=[pb.MergeInput(input=3)])), SOURCE),
            "op 1 of 2 uses input 3, but has 0",
        ),
        (
            definition(on(diff=pb.DiffOp(lower=pb.LowerDiffInput(input=-2))), SOURCE),
            "op 1 of 2 uses input -2, but has 0",
        ),
        (
            definition(on(file=pb.FileOp(actions=[pb.FileAction(input=0)])), SOURCE),
            "op 1 of 2 uses input 0, but has 0",
        ),
        (
            definition(on(build=pb.BuildOp(builder=1)), SOURCE),
            "op 1 of 2 uses input 1, but has 0",
        ),
        (
            pb.Definition(metadata={"nonsense": pb.OpMetadata()}).SerializeToString(),
            "metadata for 'nonsense', which is no digest",
        ),
    ],
)
def test_from_bytes_refuses_what_is_no_graph(data: bytes, message: str) -> None:
    """Each rule of a definition has its own message, which says which op breaks it."""
    with pytest.raises(InvalidDefinitionError, match=message):
        Definition.from_bytes(data)


def test_from_bytes_error_names_the_op() -> None:
    """The error carries the digest of the op that is wrong."""
    with pytest.raises(InvalidDefinitionError) as caught:
        Definition.from_bytes(definition(SOURCE))

    assert caught.value.digest == digest(SOURCE)


def test_from_bytes_of_nothing_is_scratch() -> None:
    """Scratch has an empty definition, and the other way round."""
    loaded = Definition.from_bytes(b"")

    assert loaded == Definition() == llb.scratch().marshal()
    assert loaded.head is None
    assert loaded.to_bytes() == b""


def read_and_print(data: bytes) -> None:
    """Do all that can be done with bytes from outside; only our own error may come of it."""
    try:
        loaded = Definition.from_bytes(data)
    except InvalidDefinitionError:
        return
    assert Definition.from_bytes(loaded.to_bytes()) == loaded
    assert loaded.to_text()
    assert json.loads(loaded.to_json())
    assert loaded.to_dot()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(REAL), st.data())
def test_from_bytes_of_changed_bytes_fails_only_as_said(data: bytes, draw: st.DataObject) -> None:
    """Bytes changed, cut out and put in: a definition that can be printed, or the one error."""
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(changed)))
        end = min(len(changed), start + draw.draw(st.integers(0, 3)))
        changed[start:end] = draw.draw(st.binary(max_size=3))

    read_and_print(bytes(changed))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REAL), st.data())
def test_from_bytes_of_changed_ops_fails_only_as_said(data: bytes, draw: st.DataObject) -> None:
    """The same inside the last op but one, with the digests made right again."""
    message = pb.Definition.FromString(data)
    if len(message.def_) < 2:
        return
    changed = bytearray(message.def_[-2])
    start = draw.draw(st.integers(0, len(changed)))
    changed[start : start + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=2))
    head = pb.Op(inputs=[pb.Input(digest=str(Digest.of(bytes(changed))))])
    message.def_[-2:] = [bytes(changed), head.SerializeToString()]

    read_and_print(message.SerializeToString())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
@example(b"\x0a\x00")
@example(b"\x12\x00")
@example(b"\x1a\x00")
def test_from_bytes_of_any_bytes_fails_only_as_said(data: bytes) -> None:
    """Arbitrary bytes are a definition or the one error."""
    read_and_print(data)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_printing_is_the_same_for_equal_graphs_and_holds_no_digest(state: State) -> None:
    """Text, JSON and drawing tell vertices by number, so that plans can be compared."""
    made = state.marshal()
    printed = made.to_text() + made.to_json() + made.to_dot()

    loaded = Definition.from_bytes(made.to_bytes())
    assert printed == loaded.to_text() + loaded.to_json() + loaded.to_dot()
    assert not any(str(one) in printed for one in made.digests())


def test_definition_cannot_be_changed() -> None:
    """Neither its ops nor its metadata."""
    made = llb.image("busybox").marshal()

    with pytest.raises(TypeError):
        made.metadata[made.digests()[0]] = b""  # type: ignore[index]
