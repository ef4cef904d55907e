"""The one deterministic marshaller: from vertices to a definition.

Source: ``client/llb/state.go`` ``marshal``, ``client/llb/marshal.go``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb._vertex import Constraints, Edges, Encoded, Output, Vertex, edge_bytes
from buildkit_spec.llb.constants import (
    CAP_CONSTRAINTS,
    CAP_META_DESCRIPTION,
    CAP_META_IGNORE_CACHE,
    CAP_PLATFORM,
)
from buildkit_spec.llb.definition import Definition
from buildkit_spec.llb.meta import Meta
from buildkit_spec.values import Digest, Platform

_CONSTRAINTS = pb.Op(constraints=pb.WorkerConstraints()).SerializeToString()
"""Written in every op, though we choose no workers: Go's client writes it."""


def marshal(output: Output | None, constraints: Constraints) -> Definition:
    """Return the definition whose result is *output*; None is scratch, an empty definition.

    Every vertex stands behind its inputs, in the order in which Go's client writes them; vertices
    with equal bytes are written once, and their metadata merged.

    Raises:
        InvalidVertexError: A text in a vertex cannot be encoded.
    """
    if output is None:
        return Definition()
    digests: dict[Vertex, str] = {}
    ops: dict[str, bytes] = {}
    metadata: dict[str, bytes] = {}
    caps = {CAP_CONSTRAINTS, CAP_PLATFORM}
    for vertex in _build_order(output.vertex):
        encoded = _encode(vertex, constraints, digests)
        digest = digests[vertex] = encoded.digest
        ops.setdefault(digest, encoded.op)
        meta = metadata.setdefault(digest, encoded.metadata)
        if meta is not encoded.metadata:
            metadata[digest] = _merged(meta, encoded.metadata)
        if vertex.meta.name or vertex.meta.description:
            caps.add(CAP_META_DESCRIPTION)
        if vertex.meta.ignore_cache:
            caps.add(CAP_META_IGNORE_CACHE)
    head = edge_bytes(digests[output.vertex], output.index)
    metadata[str(Digest.of(head))] = Meta(caps=frozenset(caps)).to_bytes()
    return Definition(
        (*ops.values(), head), {Digest(digest): meta for digest, meta in metadata.items()}
    )


def _build_order(last: Vertex) -> Iterator[Vertex]:
    """Yield every vertex once, inputs first. No recursion: graphs may be ten thousands deep."""
    seen = {last}
    stack = [(last, iter(last.inputs()))]
    while stack:
        vertex, inputs = stack[-1]
        for output in inputs:
            if output.vertex not in seen:
                seen.add(output.vertex)
                stack.append((output.vertex, iter(output.vertex.inputs())))
                break
        else:
            stack.pop()
            yield vertex


def _encode(vertex: Vertex, constraints: Constraints, digests: dict[Vertex, str]) -> Encoded:
    known = vertex.encoded.get(constraints.platform)
    if known is not None and known[0] == constraints:
        return known[1]
    edges = Edges(digests)
    try:
        body = vertex.body(edges, constraints).SerializeToString(deterministic=True)
        is_specific = vertex.is_platform_specific
        platform = _platform(vertex.platform or constraints.platform) if is_specific else b""
        # Go's deterministic marshaller writes the member of a oneof behind all other fields.
        op = b"".join((edges.to_bytes(), platform, _CONSTRAINTS, body))
        metadata = vertex.meta.to_bytes(vertex.caps(constraints))
    except (TypeError, ValueError) as error:
        raise InvalidVertexError(
            f"vertex {vertex.meta.name!r} cannot be encoded: {error}"
        ) from error
    encoded = Encoded("sha256:" + hashlib.sha256(op).hexdigest(), op, metadata)
    vertex.encoded[constraints.platform] = (constraints, encoded)
    return encoded


@lru_cache(maxsize=32)
def _platform(platform: Platform) -> bytes:
    message = pb.Platform(
        OS=platform.os, Architecture=platform.architecture, Variant=platform.variant
    )
    return pb.Op(platform=message).SerializeToString(deterministic=True)


def _merged(earlier: bytes, later: bytes) -> bytes:
    return Meta.from_bytes(earlier).merged(Meta.from_bytes(later)).to_bytes()
