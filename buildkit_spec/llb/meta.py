"""What is said about a vertex beside its op: it changes neither digest nor result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb import _wire
from buildkit_spec.llb.constants import DESCRIPTION_NAME

_IGNORE_CACHE, _DESCRIPTION, _CAPS, _PROGRESS_GROUP = 1, 2, 5, 6


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

    def to_bytes(self, caps: frozenset[str] = frozenset()) -> bytes:
        """Return it as a serialised ``pb.OpMetadata``, map keys sorted.

        Args:
            caps: Capabilities to add to its own.

        Raises:
            UnicodeEncodeError: One of its texts is no Unicode text.
        """
        texts = dict(self.description)
        if self.name:
            texts[DESCRIPTION_NAME] = self.name
        parts = [_wire.flag(_IGNORE_CACHE, self.ignore_cache)]
        for key in sorted(texts):
            value = _wire.delimited(2, texts[key].encode())
            parts.append(_wire.entry(_DESCRIPTION, key, value))
        parts += map(_cap, sorted(self.caps | caps))
        if self.progress_group is not None:
            group = self.progress_group
            body = _wire.text(1, group.id) + _wire.text(2, group.name) + _wire.flag(3, group.weak)
            parts.append(_wire.delimited(_PROGRESS_GROUP, body))
        return b"".join(parts)


@lru_cache(maxsize=256)
def _cap(name: str) -> bytes:
    return _wire.entry(_CAPS, name, _wire.flag(2, True))


def make_meta(name: str, meta: Meta | None) -> Meta:
    """Return *meta* under *name*: the two ways an operation is given its metadata."""
    if meta is None:
        return Meta(name=name)
    return replace(meta, name=name) if name else meta
