"""The rules a loaded definition must keep, checked op by op.

Source: ``solver/llbsolver/vertex.go`` ``loadLLB``, ``solver/llbsolver/ops/opsutils/validate.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.message import DecodeError

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidDefinitionError
from buildkit_spec.llb.constants import EMPTY_INPUT
from buildkit_spec.values import Digest


def check_ops(ops: Sequence[bytes]) -> None:
    """Check that *ops* are a graph in build order with one result; no ops are scratch.

    Raises:
        InvalidDefinitionError: An op is no ``pb.Op`` or one we do not know, an input is not defined
            before its user, an index points nowhere, or the last op alone is not the result.
    """
    known: set[str] = set()
    for position, data in enumerate(ops, start=1):
        digest = str(Digest.of(data))
        place = f"op {position} of {len(ops)}"
        try:
            op = pb.Op.FromString(data)
        except DecodeError as error:
            raise InvalidDefinitionError(
                f"{place} is not a pb.Op message", digest=digest
            ) from error
        problem = _edge_problem(op, known) or (
            _body_problem(op) if position < len(ops) else _result_problem(op)
        )
        if problem:
            raise InvalidDefinitionError(f"{place} {problem}", digest=digest)
        known.add(digest)


def _edge_problem(op: pb.Op, known: set[str]) -> str:
    for edge in op.inputs:
        if edge.digest not in known:
            return f"builds on {edge.digest[:80]!r}, which is not defined before it"
        if edge.index < 0:
            return f"builds on output {edge.index} of another"
    return ""


def _result_problem(op: pb.Op) -> str:
    if op.WhichOneof("op") is not None:
        return "is the last one, but not a result"
    if len(op.inputs) != 1:
        return f"is the result, but of {len(op.inputs)} inputs instead of one"
    return ""


def _body_problem(op: pb.Op) -> str:
    kind = op.WhichOneof("op")
    if kind is None:
        return "is a second result, or of a kind this release does not know"
    for index, count in _indexes(op, kind):
        if not EMPTY_INPUT <= index < count:
            return f"uses input {index}, but has {count}"
    return ""


def _indexes(op: pb.Op, kind: str) -> Iterator[tuple[int, int]]:
    """Yield each index of an input in the op's body, with the number of inputs it may choose from.

    -1 stands for none.
    """
    count = len(op.inputs)
    indexes: Iterable[int] = ()
    if kind == "exec":
        indexes = (mount.input for mount in op.exec.mounts)
    elif kind == "merge":
        indexes = (member.input for member in op.merge.inputs)
    elif kind == "diff":
        indexes = (op.diff.lower.input, op.diff.upper.input)
    elif kind == "passthrough":
        indexes = op.passthrough.outputs
    elif kind == "build":
        indexes = (op.build.builder, *(member.input for member in op.build.inputs.values()))
    elif kind == "file":
        # Behind the inputs, the results of earlier actions are counted on.
        for position, action in enumerate(op.file.actions):
            yield action.input, count + position
            yield action.secondaryInput, count + position
    for index in indexes:
        yield index, count
