"""One op as values for JSON: protobuf's names, but indexes and modes as people read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import json_format

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb._op_text import edge_name, kept_numbers, platform_name

Values = dict[str, Any]
"""What ``json.dumps`` takes."""


def to_values(op: pb.Op, edges: Sequence[str]) -> Values:
    """Return the op under the name of its kind, its platform, and what it builds on.

    Left out is what is always the same: empty constraints, modes and timestamps that keep what is
    there, inputs and outputs that are none. Of proxies only the names are told: their URLs may
    hold passwords.

    Args:
        op: What to decode.
        edges: What its inputs are called.
    """
    values: Values = json_format.MessageToDict(op, preserving_proto_field_name=True)
    values["inputs"] = list(edges)
    if not op.constraints.filter:
        values.pop("constraints", None)
    if "platform" in values:
        values["platform"] = platform_name(op.platform)
    readable = _READABLE.get(op.WhichOneof("op") or "")
    if readable is not None:
        readable(op, values, edges)
    return values


def _exec(op: pb.Op, values: Values, edges: Sequence[str]) -> None:
    command = values["exec"]
    if op.exec.meta.HasField("proxy_env"):
        command["meta"]["proxy_env"] = sorted(command["meta"]["proxy_env"])
    for mount, told in zip(op.exec.mounts, command.get("mounts", ()), strict=True):
        told.pop("input", None)
        told.pop("output", None)
        if mount.input >= 0:
            told["input"] = edge_name(mount.input, edges)
        if mount.output >= 0 and mount.mountType == pb.MountType.BIND:
            told["output"] = mount.output
        for option in ("secretOpt", "SSHOpt"):
            if option in told:
                told[option]["mode"] = f"{getattr(mount, option).mode:#o}"


def _file(op: pb.Op, values: Values, edges: Sequence[str]) -> None:
    places = [*edges, *(f"action {number}" for number in range(1, len(op.file.actions) + 1))]
    for action, told in zip(op.file.actions, values["file"].get("actions", ()), strict=True):
        told.pop("output", None)
        for field in ("input", "secondaryInput"):
            told.pop(field, None)
            if getattr(action, field) >= 0:
                told[field] = edge_name(getattr(action, field), places)
        kind = action.WhichOneof("action")
        if kind is not None:
            told[kind].update(kept_numbers(getattr(action, kind)))
            told[kind] = {key: value for key, value in told[kind].items() if value is not None}
        if action.mkfile.data:
            told["mkfile"].update(_content(action.mkfile.data, told["mkfile"].pop("data")))


def _content(data: bytes, encoded: str) -> Values:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_base64": encoded}


def _merge(op: pb.Op, values: Values, edges: Sequence[str]) -> None:
    values["merge"] = [edge_name(member.input, edges) for member in op.merge.inputs]


def _diff(op: pb.Op, values: Values, edges: Sequence[str]) -> None:
    values["diff"] = {
        "lower": edge_name(op.diff.lower.input, edges),
        "upper": edge_name(op.diff.upper.input, edges),
    }


_READABLE: dict[str, Callable[[pb.Op, Values, Sequence[str]], None]] = {
    "exec": _exec,
    "file": _file,
    "merge": _merge,
    "diff": _diff,
}
