"""Definitions for people: text, JSON and drawings. Digests become vertex numbers.

A vertex is ``#n``, counted from 1 in build order; ``#n.i`` is its output *i* when that is not 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb._op_json import to_values
from buildkit_spec.llb._op_text import details, headline, visible
from buildkit_spec.llb.definition import Definition
from buildkit_spec.llb.meta import Meta

_INDENT = "\n    "
_SHAPES = {"source": "ellipse", "merge": "trapezium", "diff": "invtrapezium"}


@dataclass(frozen=True, slots=True)
class _Node:
    """A vertex with what it and its inputs are called."""

    label: str
    op: pb.Op
    meta: Meta
    edges: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.op.WhichOneof("op") or ""

    @property
    def title(self) -> str:
        return visible(self.meta.name).replace("\n", " ") or headline(self.op)


def to_text(definition: Definition) -> str:
    """Return one paragraph a vertex in build order, and last the result."""
    nodes, result = _read(definition)
    lines = []
    for node in nodes:
        lines.append(f"{node.label} {node.kind} {node.title}".rstrip())
        lines += [
            _indented(line) for line in (*_meta_lines(node.meta), *details(node.op, node.edges))
        ]
    return "\n".join([*lines, f"result {result}", ""])


def to_json(definition: Definition) -> str:
    """Return the decoded ops as JSON, two blanks a level, keys sorted.

    Names are those of ``solver/pb/ops.proto``; modes are octal texts; content of files is text
    where it is UTF-8, else base64 under ``data_base64``. Equal graphs give equal documents.
    """
    nodes, result = _read(definition)
    document = {"result": result, "vertices": [_node_values(node) for node in nodes]}
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def to_dot(definition: Definition) -> str:
    """Return a drawing in Graphviz' language, inputs above users."""
    nodes, result = _read(definition)
    lines = ["digraph llb {", '  node [shape=box fontname="sans-serif"];']
    for node in nodes:
        text = _quoted(f"{node.label} {node.kind}\n{node.title}".strip())
        shape = _SHAPES.get(node.kind)
        lines.append(f"  {_quoted(node.label)} [label={text}{f' shape={shape}' if shape else ''}];")
        lines += [_arrow(edge, node.label) for edge in node.edges]
    lines += ['  "result" [shape=plaintext];', _arrow(result, "result")]
    return "\n".join([*lines, "}", ""])


def _read(definition: Definition) -> tuple[Sequence[_Node], str]:
    """Return the vertices in build order, and what the result is called."""
    nodes: list[_Node] = []
    labels: dict[str, str] = {}
    edges: tuple[str, ...] = ("scratch",)
    for digest, data in zip(definition.digests(), definition.ops, strict=True):
        op = pb.Op.FromString(data)
        edges = tuple(_edge(labels[edge.digest], edge.index) for edge in op.inputs)
        if op.WhichOneof("op") is not None and str(digest) not in labels:
            labels[str(digest)] = f"#{len(labels) + 1}"
            nodes.append(_Node(labels[str(digest)], op, definition.meta(digest), edges))
    return nodes, edges[0]


def _edge(label: str, index: int) -> str:
    return f"{label}.{index}" if index else label


def _indented(text: str) -> str:
    return _INDENT[1:] + visible(text).replace("\n", _INDENT + "  ")


def _meta_lines(meta: Meta) -> Iterator[str]:
    if meta.ignore_cache:
        yield "ignores the cache"
    if meta.progress_group is not None:
        yield f"in group {meta.progress_group.name or meta.progress_group.id}"
    yield from (f"note {key} = {value}" for key, value in sorted(meta.description.items()))


def _node_values(node: _Node) -> dict[str, Any]:
    meta: dict[str, Any] = {"caps": sorted(node.meta.caps)}
    if node.meta.ignore_cache:
        meta["ignore_cache"] = True
    if node.meta.description:
        meta["description"] = dict(node.meta.description)
    if node.meta.progress_group is not None:
        meta["progress_group"] = asdict(node.meta.progress_group)
    values = {"vertex": node.label, "meta": meta, "op": to_values(node.op, node.edges)}
    return {**values, "name": node.meta.name} if node.meta.name else values


def _arrow(edge: str, user: str) -> str:
    label, _, index = edge.partition(".")
    return f"  {_quoted(label)} -> {_quoted(user)}{f' [label={_quoted(index)}]' if index else ''};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
