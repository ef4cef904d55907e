"""One op in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from google.protobuf.message import Message

from buildkit_spec._pb import ops as pb
from buildkit_spec.llb._context import Network, Security
from buildkit_spec.llb.mounts import CacheSharing

_HEADLINE_LIMIT = 100
_PATHS = {"src", "dest", "path", "oldpath", "newpath"}
_KEPT = {"mode", "timestamp"}
_KEEP = -1


def headline(op: pb.Op) -> str:
    """Return what the op does in one short line."""
    kind = op.WhichOneof("op")
    if kind == "source":
        text = op.source.identifier
    elif kind == "exec":
        text = shlex.join(op.exec.meta.args)
    elif kind == "file":
        text = ", ".join(_action(action) for action in op.file.actions)
    else:
        text = ""
    first, newline, _ = visible(text).partition("\n")
    is_cut = newline or len(first) > _HEADLINE_LIMIT
    return f"{first[:_HEADLINE_LIMIT]}…" if is_cut else first


def details(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    """Yield all that the op does; *edges* are what its inputs are called."""
    describe = _DETAILS.get(op.WhichOneof("op") or "")
    if op.HasField("platform"):
        yield f"platform {platform_name(op.platform)}"
    if op.constraints.filter:
        yield f"on workers {', '.join(op.constraints.filter)}"
    if describe is None:
        yield from (f"input {edge}" for edge in edges)
    else:
        yield from describe(op, edges)


def platform_name(platform: pb.Platform) -> str:
    """Return ``os/architecture[/variant][/version]``."""
    parts = (platform.OS, platform.Architecture, platform.Variant, platform.OSVersion)
    return "/".join(part for part in parts if part)


def edge_name(index: int, edges: Sequence[str]) -> str:
    """Return what input *index* is called; -1 is scratch."""
    return edges[index] if index >= 0 else "scratch"


def visible(text: str) -> str:
    """Return *text* with what a terminal would obey made visible; line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _source(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    yield f"from {op.source.identifier}"
    for key, value in sorted(op.source.attrs.items()):
        yield f"{key} = {value}"


def _exec(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    command, meta = op.exec, op.exec.meta
    yield from (f"{mount.dest} = {_mount(mount, edges)}" for mount in command.mounts)
    yield from (f"env {entry}" for entry in meta.env)
    for secret in command.secretenv:
        yield f"env {secret.name} = secret {secret.ID!r}{_if(secret.optional, ', optional')}"
    settings = {
        "cwd": meta.cwd,
        "user": meta.user,
        "host name": meta.hostname,
        "control group": meta.cgroupParent,
        "network": _word(Network, command.network) if command.network else "",
        "security": _word(Security, command.security) if command.security else "",
        "valid exit codes": ", ".join(map(str, meta.validExitCodes)),
    }
    yield from (f"{name} {value}" for name, value in settings.items() if value)
    yield from (f"host {host.Host} = {host.IP}" for host in meta.extraHosts)
    yield from (f"limit {limit.Name} = {limit.Soft}/{limit.Hard}" for limit in meta.ulimit)
    for device in command.cdiDevices:
        yield f"device {device.name}{_if(device.optional, ', optional')}"
    if meta.HasField("proxy_env"):
        # Not their values: a proxy's URL may hold a password.
        proxies = [field.name for field, _ in meta.proxy_env.ListFields()]
        yield f"proxies {', '.join(proxies) or 'none'}"
    yield f"run {shlex.join(meta.args)}"


def _mount(mount: pb.Mount, edges: Sequence[str]) -> str:
    source = edge_name(mount.input, edges)
    kind = mount.mountType
    if kind == pb.MountType.SECRET:
        option = mount.secretOpt
        text = f"secret {option.ID!r} {option.mode:#o} {option.uid}:{option.gid}"
        return text + _if(option.optional, ", optional")
    if kind == pb.MountType.SSH:
        agent = mount.SSHOpt
        text = f"ssh agent {agent.ID!r} {agent.mode:#o} {agent.uid}:{agent.gid}"
        return text + _if(agent.optional, ", optional")
    if kind == pb.MountType.CACHE:
        text = f"cache {mount.cacheOpt.ID!r} {_word(CacheSharing, mount.cacheOpt.sharing)}"
        text += _if(mount.input >= 0, f", first {source}")
    elif kind == pb.MountType.TMPFS:
        text = "tmpfs" + _if(mount.TmpfsOpt.size > 0, f" {mount.TmpfsOpt.size} bytes")
    else:
        text = source
    text += _if(bool(mount.selector), f" at {mount.selector}")
    text += _if(mount.readonly, ", read-only")
    text += _if(mount.contentCache == pb.MountContentCache.ON, ", by content")
    text += _if(mount.contentCache == pb.MountContentCache.OFF, ", not by content")
    return text + _if(mount.output >= 0, f", output {mount.output}")


def _file(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    actions = [f"action {number}" for number in range(1, len(op.file.actions) + 1)]
    places = [*edges, *actions]
    for name, action in zip(actions, op.file.actions, strict=True):
        kind = action.WhichOneof("action")
        text = f"{name} on {edge_name(action.input, places)}: {_action(action)}"
        if kind == "copy":
            text += f", from {edge_name(action.secondaryInput, places)}"
        yield text + "".join(f", {option}" for option in _options(action))


def _action(action: pb.FileAction) -> str:
    kind = action.WhichOneof("action")
    if kind == "copy":
        return f"copy {action.copy.src} {action.copy.dest}"
    if kind == "mkfile":
        return f"mkfile {action.mkfile.path}"
    if kind == "mkdir":
        return f"mkdir {action.mkdir.path}"
    if kind == "rm":
        return f"rm {action.rm.path}"
    if kind == "symlink":
        return f"symlink {action.symlink.newpath} -> {action.symlink.oldpath}"
    return "nothing known"


def _options(action: pb.FileAction) -> Iterator[str]:
    """Yield what an action says beside its paths, field by field."""
    kind = action.WhichOneof("action")
    if kind is None:
        return
    body = getattr(action, kind)
    for name, number in kept_numbers(body).items():
        if number is not None:
            yield f"{name} {number}"
    for field, value in body.ListFields():
        if field.name in _PATHS or field.name in _KEPT:
            continue
        if isinstance(value, bool):
            yield field.name
        elif isinstance(value, bytes):
            yield f"{len(value)} bytes"
        elif isinstance(value, str):
            yield f"{field.name} {value}"
        elif isinstance(value, pb.ChownOpt):
            yield f"{field.name} {_owner(value)}"
        else:
            yield f"{field.name} {' '.join(value)}"


def kept_numbers(body: Message) -> dict[str, str | int | None]:
    """Return an action's mode and timestamp as people read them; None keeps what is there.

    They are read apart from the other fields because 0, protobuf's default, means 0 here.
    """
    mode: int = getattr(body, "mode", _KEEP)
    timestamp_ns: int = getattr(body, "timestamp", _KEEP)
    is_text = bool(getattr(body, "modeStr", ""))
    return {
        "mode": None if mode < 0 or is_text else f"{mode:#o}",
        "timestamp": None if timestamp_ns < 0 else timestamp_ns,
    }


def _owner(owner: pb.ChownOpt) -> str:
    parts = [
        str(part.byID) if part.WhichOneof("user") == "byID" else part.byName.name
        for part in (owner.user, owner.group)
        if part.WhichOneof("user")
    ]
    return ":".join(parts)


def _merge(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    yield from (f"layer {edge_name(member.input, edges)}" for member in op.merge.inputs)


def _diff(op: pb.Op, edges: Sequence[str]) -> Iterator[str]:
    yield f"lower {edge_name(op.diff.lower.input, edges)}"
    yield f"upper {edge_name(op.diff.upper.input, edges)}"


def _word(kind: type[Enum], value: int) -> str:
    """Return the name of an enum's value in lower case; a number we have no name for as it is."""
    return next((str(member.name).lower() for member in kind if member.value == value), str(value))


def _if(condition: bool, text: str) -> str:
    return text if condition else ""


_DETAILS: dict[str, Callable[[pb.Op, Sequence[str]], Iterator[str]]] = {
    "source": _source,
    "exec": _exec,
    "file": _file,
    "merge": _merge,
    "diff": _diff,
}
