"""A vertex: one node of the graph, before it is bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import _wire
from buildkit_spec.llb.constants import EMPTY_INPUT
from buildkit_spec.llb.meta import Meta
from buildkit_spec.values import Platform


@dataclass(frozen=True, slots=True)
class Constraints:
    """What one marshal call fixes for the whole graph.

    Attributes:
        platform: Of every vertex that has none of its own.
        local_unique_id: Tells local sources of this build from those of others; may be empty.
    """

    platform: Platform
    local_unique_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A vertex as bytes.

    Attributes:
        digest: ``sha256:<64 hex>`` of *op*.
        op: A serialised ``pb.Op``.
        metadata: A serialised ``pb.OpMetadata``, with the capabilities the op needs.
    """

    digest: str
    op: bytes
    metadata: bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Vertex(ABC):
    """One node. Two vertices are the same only when they are the same object.

    Attributes:
        meta: What is said about it.
        encoded: Its last bytes by platform; filled by the marshaller, never read by others.
    """

    meta: Meta
    encoded: dict[Platform, tuple[Constraints, Encoded]] = field(default_factory=dict, init=False)

    @property
    def platform(self) -> Platform | None:
        """Its own platform; None stands for that of the marshal call."""
        return None

    @property
    def is_platform_specific(self) -> bool:
        """Whether its op says which platform it is for."""
        return False

    @abstractmethod
    def inputs(self) -> Iterable[Output]:
        """Yield what it builds on, in the order in which Go's client visits it."""

    @abstractmethod
    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capabilities a daemon needs for its op."""

    @abstractmethod
    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return a ``pb.Op`` with nothing but the member of its ``oneof``; fill *edges*."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.meta.name!r}>"


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a vertex.

    Attributes:
        vertex: Where it comes from.
        index: Which of the vertex' results, from 0.
    """

    vertex: Vertex
    index: int = 0


class Edges:
    """The inputs of one op while its body is made."""

    __slots__ = ("_digests", "_edges")

    def __init__(self, digests: Mapping[Vertex, str]) -> None:
        self._digests = digests
        self._edges: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return len(self._edges)

    def append(self, output: Output | None) -> int:
        """Add an input, even when it is there already; return its index, or -1 for scratch."""
        if output is None:
            return EMPTY_INPUT
        self._edges.append((self._digests[output.vertex], output.index))
        return len(self._edges) - 1

    def add(self, output: Output | None) -> int:
        """Add an input once; return its index, or -1 for scratch.

        Equal bytes make equal inputs, whether or not they come from one vertex object.
        """
        if output is None:
            return EMPTY_INPUT
        edge = (self._digests[output.vertex], output.index)
        if edge in self._edges:
            return self._edges.index(edge)
        self._edges.append(edge)
        return len(self._edges) - 1

    def to_bytes(self) -> bytes:
        """Return them as the field ``inputs`` of a ``pb.Op``, in order."""
        return b"".join(edge_bytes(digest, index) for digest, index in self._edges)


def edge_bytes(digest: str, index: int) -> bytes:
    """Return one ``pb.Input`` as the field ``inputs`` of a ``pb.Op``."""
    return _wire.delimited(1, _wire.text(1, digest) + _wire.integer(2, index))
