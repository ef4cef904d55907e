"""A definition: the graph as bytes, as it goes to a daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from google.protobuf.message import DecodeError

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidDefinitionError, InvalidDigestError
from buildkit_spec.llb import _wire
from buildkit_spec.llb.meta import Meta
from buildkit_spec.values import Digest

_OPS, _METADATA, _SOURCE = 1, 2, 3
_KEY, _VALUE = 1, 2


@dataclass(frozen=True, slots=True, repr=False)
class Definition:
    """A graph as bytes.

    Attributes:
        ops: Serialised ``pb.Op``, inputs before users; the last one has one input and nothing
            else: the result. Empty for scratch.
        metadata: Serialised ``pb.OpMetadata`` by digest of the op.
        source: Serialised ``pb.Source``, which tells the lines of a file the vertices come from;
            empty in what we marshal, kept in what is loaded.

    Source: ``solver/pb/ops.proto``, ``Definition``.
    """

    ops: tuple[bytes, ...] = ()
    metadata: Mapping[Digest, bytes] = field(default_factory=dict)
    source: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Definition:
        """Read a serialised ``pb.Definition``, whoever wrote it, and check it.

        Raises:
            InvalidDefinitionError: The bytes are no such message, an input is not defined before
                its user, an index points nowhere, or there is not one result.
        """
        from buildkit_spec.llb._check import check_ops  # decoding is not on marshalling's way

        try:
            message = pb.Definition.FromString(data)
            metadata = {
                Digest(digest): entry.SerializeToString(deterministic=True)
                for digest, entry in message.metadata.items()
            }
        except DecodeError as error:
            raise InvalidDefinitionError("definition is not a pb.Definition message") from error
        except InvalidDigestError as error:
            raise InvalidDefinitionError(
                f"definition has metadata for {error.value!r}, which is no digest"
            ) from error
        ops = tuple(message.def_)
        check_ops(ops)
        source = b""
        if message.HasField("Source"):
            source = message.Source.SerializeToString(deterministic=True)
        return cls(ops, metadata, source)

    @property
    def head(self) -> Digest | None:
        """Digest of the vertex whose output is the result; None for scratch."""
        return Digest(pb.Op.FromString(self.ops[-1]).inputs[0].digest) if self.ops else None

    def digests(self) -> tuple[Digest, ...]:
        """Return the digest of every op, in order."""
        return tuple(Digest.of(op) for op in self.ops)

    def meta(self, digest: Digest) -> Meta:
        """Return what is said about a vertex; an empty :class:`Meta` when nothing is."""
        return Meta.from_bytes(self.metadata.get(digest, b""))

    def to_bytes(self) -> bytes:
        """Return it as a serialised ``pb.Definition``; metadata sorted by digest."""
        return b"".join(self._chunks())

    def to_text(self) -> str:
        """Return the graph for people: vertices by number in build order, without digests."""
        from buildkit_spec.llb.text import to_text  # printing is not on marshalling's way

        return to_text(self)

    def to_json(self) -> str:
        """Return the graph as JSON, with vertex numbers for digests: equal for equal graphs."""
        from buildkit_spec.llb.text import to_json

        return to_json(self)

    def to_dot(self) -> str:
        """Return the graph in Graphviz' language."""
        from buildkit_spec.llb.text import to_dot

        return to_dot(self)

    def _chunks(self) -> Iterator[bytes]:
        for op in self.ops:
            yield _wire.header(_OPS, len(op))
            yield op
        for digest, meta in sorted(self.metadata.items(), key=lambda item: item[0].value):
            key = digest.value.encode()
            key_header = _wire.header(_KEY, len(key))
            value_header = _wire.header(_VALUE, len(meta))
            size = len(key_header) + len(key) + len(value_header) + len(meta)
            yield from (_wire.header(_METADATA, size), key_header, key, value_header, meta)
        if self.source:
            yield _wire.header(_SOURCE, len(self.source))
            yield self.source

    def __repr__(self) -> str:
        return f"Definition({len(self.ops)} ops, head={self.head})"
