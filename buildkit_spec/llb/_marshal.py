"""The one deterministic marshaller: from vertices to a definition.

Source: ``client/llb/state.go`` ``marshal``, ``client/llb/marshal.go``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb._vertex import Constraints, Edges, Encoded, Output, Vertex
from buildkit_spec.llb.constants import (
    CAP_CONSTRAINTS,
    CAP_META_DESCRIPTION,
    CAP_META_IGNORE_CACHE,
    CAP_PLATFORM,
)
from buildkit_spec.llb.definition import Definition
from buildkit_spec.llb.meta import Meta
from buildkit_spec.values import Digest, Platform


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
    written: dict[str, Encoded] = {}
    merged: dict[str, Meta] = {}
    caps = {CAP_CONSTRAINTS, CAP_PLATFORM}
    for vertex in _build_order(output.vertex):
        encoded = _encode(vertex, constraints, digests)
        digest = digests[vertex] = encoded.digest
        caps |= _graph_caps(encoded.meta)
        equal = written.setdefault(digest, encoded)
        if equal is not encoded:
            merged[digest] = merged.get(digest, equal.meta).merged(encoded.meta)
    head = pb.Op(
        inputs=[pb.Input(digest=digests[output.vertex], index=output.index)]
    ).SerializeToString(deterministic=True)
    metadata = {Digest(digest): encoded.metadata for digest, encoded in written.items()}
    metadata |= {Digest(digest): meta.to_bytes() for digest, meta in merged.items()}
    metadata[Digest.of(head)] = Meta(caps=frozenset(caps)).to_bytes()
    return Definition((*(encoded.op for encoded in written.values()), head), metadata)


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
        head = pb.Op(inputs=edges.to_pb(), constraints=pb.WorkerConstraints())
        if vertex.is_platform_specific:
            head.platform.CopyFrom(_platform(vertex.platform or constraints.platform))
        # Go's deterministic marshaller writes the member of a oneof behind all other fields.
        op = head.SerializeToString(deterministic=True) + body
        meta = vertex.meta.with_caps(vertex.caps(constraints))
        metadata = meta.to_bytes()
    except (TypeError, ValueError) as error:
        raise InvalidVertexError(
            f"vertex {vertex.meta.name!r} cannot be encoded: {error}"
        ) from error
    digest = "sha256:" + hashlib.sha256(op).hexdigest()
    encoded = Encoded(digest, op, meta, metadata)
    vertex.encoded[constraints.platform] = (constraints, encoded)
    return encoded


def _platform(platform: Platform) -> pb.Platform:
    return pb.Platform(OS=platform.os, Architecture=platform.architecture, Variant=platform.variant)


def _graph_caps(meta: Meta) -> set[str]:
    """Return what a daemon needs to know for a vertex' metadata, told with the result."""
    used = {
        CAP_META_DESCRIPTION: meta.name or meta.description,
        CAP_META_IGNORE_CACHE: meta.ignore_cache,
    }
    return {cap for cap, is_used in used.items() if is_used}
