"""The merge and diff ops: layers put together and taken apart without copying.

Source: ``client/llb/merge.go``, ``client/llb/diff.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import constants
from buildkit_spec.llb._vertex import Constraints, Edges, Output, Vertex
from buildkit_spec.llb.meta import Meta, make_meta
from buildkit_spec.llb.state import State


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MergeVertex(Vertex):
    """File systems on top of each other.

    Attributes:
        layers: At least two; of what several have, the last one's counts.
    """

    layers: tuple[Output, ...]

    def inputs(self) -> Iterator[Output]:
        """Yield the layers from the bottom."""
        return iter(self.layers)

    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capability of the op."""
        return frozenset({constants.CAP_MERGE_OP})

    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return the layers as a message."""
        inputs = [pb.MergeInput(input=edges.append(layer)) for layer in self.layers]
        return pb.Op(merge=pb.MergeOp(inputs=inputs))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiffVertex(Vertex):
    """What one file system has that another has not.

    Attributes:
        lower: What is taken away.
        upper: What it is taken away from; None is scratch.
    """

    lower: Output
    upper: Output | None

    def inputs(self) -> Iterator[Output]:
        """Yield lower, then upper."""
        yield self.lower
        if self.upper is not None:
            yield self.upper

    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capability of the op."""
        return frozenset({constants.CAP_DIFF_OP})

    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return both sides as a message."""
        lower = pb.LowerDiffInput(input=edges.append(self.lower))
        upper = pb.UpperDiffInput(input=edges.append(self.upper))
        return pb.Op(diff=pb.DiffOp(lower=lower, upper=upper))


def merge(states: Iterable[State], *, name: str = "", meta: Meta | None = None) -> State:
    """Put file systems on top of each other; of what several have, the last one's counts.

    Scratch states are left out; without any other the result is scratch, and a single other one
    is the result itself, as it is.

    Args:
        states: From the bottom; the result goes on with the settings of the first.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.
    """
    layers = [state for state in states if state.output is not None]
    if not layers:
        return State()
    if len(layers) == 1:
        return layers[0]
    outputs = tuple(state.output for state in layers if state.output is not None)
    return layers[0].with_output(Output(MergeVertex(make_meta(name, meta), outputs)))


def diff(lower: State, upper: State, *, name: str = "", meta: Meta | None = None) -> State:
    """Return what *upper* has that *lower* has not, removals included.

    On scratch it is *upper* itself, as it is.

    Args:
        lower: What is taken away; the result goes on with its settings.
        upper: What it is taken away from.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.
    """
    if lower.output is None:
        return upper if upper.output is not None else State()
    return lower.with_output(Output(DiffVertex(make_meta(name, meta), lower.output, upper.output)))
