"""What is said about a vertex beside its op: it changes neither digest nor result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb.constants import DESCRIPTION_NAME


@dataclass(frozen=True, slots=True)
class ProgressGroup:
    """Vertices that a progress display shows as one.

    Attributes:
        id: Equal for all vertices of the group.
        name: What the group is called.
        weak: Whether a vertex that is used outside the group too leaves it.
    """

    id: str
    name: str = ""
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Meta:
    """Metadata of one vertex.

    Attributes:
        name: What progress displays call it; empty leaves it to the daemon. Names that begin
            with ``[internal]`` are folded by displays.
        description: Further texts by key; the daemon hands them on unread.
        ignore_cache: Whether the vertex is built again even when it is cached.
        progress_group: The group it is shown in, or None.
        caps: Capabilities the daemon must have, beside those the op itself needs.

    Source: ``solver/pb/ops.proto``, ``OpMetadata``.
    """

    name: str = ""
    description: Mapping[str, str] = field(default_factory=dict)
    ignore_cache: bool = False
    progress_group: ProgressGroup | None = None
    caps: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", MappingProxyType(dict(self.description)))
        object.__setattr__(self, "caps", frozenset(self.caps))

    @classmethod
    def from_bytes(cls, data: bytes) -> Meta:
        """Read a serialised ``pb.OpMetadata``; what this class has no field for is left out.

        Raises:
            google.protobuf.message.DecodeError: The bytes are no such message.
        """
        message = pb.OpMetadata.FromString(data)
        description = dict(message.description)
        group = message.progress_group
        return cls(
            name=description.pop(DESCRIPTION_NAME, ""),
            description=description,
            ignore_cache=message.ignore_cache,
            progress_group=ProgressGroup(group.id, group.name, group.weak)
            if message.HasField("progress_group")
            else None,
            caps=frozenset(cap for cap, is_needed in message.caps.items() if is_needed),
        )

    def with_caps(self, caps: Iterable[str]) -> Meta:
        """Return it with *caps* needed too."""
        return Meta(
            name=self.name,
            description=self.description,
            ignore_cache=self.ignore_cache,
            progress_group=self.progress_group,
            caps=self.caps.union(caps),
        )

    def merged(self, later: Meta) -> Meta:
        """Return what holds for a vertex that is in the graph twice.

        Source: ``client/llb/state.go``, ``mergeMetadata``.
        """
        return Meta(
            name=later.name or self.name,
            description={**self.description, **later.description},
            ignore_cache=self.ignore_cache or later.ignore_cache,
            progress_group=later.progress_group or self.progress_group,
            caps=self.caps | later.caps,
        )

    def to_bytes(self) -> bytes:
        """Return it as a serialised ``pb.OpMetadata``, map keys sorted."""
        name = {DESCRIPTION_NAME: self.name} if self.name else {}
        message = pb.OpMetadata(
            ignore_cache=self.ignore_cache,
            description={**self.description, **name},
            caps=dict.fromkeys(self.caps, True),
        )
        if self.progress_group is not None:
            group = self.progress_group
            message.progress_group.CopyFrom(
                pb.ProgressGroup(id=group.id, name=group.name, weak=group.weak)
            )
        return message.SerializeToString(deterministic=True)


def make_meta(name: str, meta: Meta | None) -> Meta:
    """Return *meta* under *name*: the two ways an operation is given its metadata."""
    if meta is None:
        return Meta(name=name)
    return replace(meta, name=name) if name else meta
