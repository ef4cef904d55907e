"""File systems of images, read from their layers in the registry without unpacking them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulled import ACCEPT, get, unpacked

from buildkit_spec.values import Reference


@dataclass(frozen=True, eq=False)
class Node:
    """An inode: what counts of a file, a folder or a link."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    content: str
    """SHA-256 of a file, target of a symbolic link, numbers of a device."""
    time_s: int
    attributes: tuple[tuple[str, str], ...]

    def told(self) -> tuple[object, ...]:
        return (
            self.kind.decode(),
            oct(self.mode),
            self.owner,
            self.content,
            self.time_s,
            self.attributes,
        )


Tree = Mapping[str, tuple[object, ...]]
"""All that counts of a file system, by path: of a hard link also the first of its paths."""


def manifest_of(reference: object) -> dict[str, Any]:
    """The manifest of an image for amd64."""
    where = Reference.parse(str(reference))
    base = f"http://{where.registry}/v2/{where.repository}"
    manifest = json.loads(get(f"{base}/manifests/{where.digest or where.tag}", ACCEPT))
    if "manifests" in manifest:
        (digest,) = [
            one["digest"]
            for one in manifest["manifests"]
            if one["platform"]["architecture"] == "amd64"
        ]
        manifest = json.loads(get(f"{base}/manifests/{digest}", ACCEPT))
    return dict(manifest)


def layers_of(reference: object) -> list[str]:
    """Digests of an image's layers as the registry has them, the lowest first."""
    return [layer["digest"] for layer in manifest_of(reference)["layers"]]


def tree_of(reference: object) -> Tree:
    """The file system of an image: all its layers on top of each other."""
    where = Reference.parse(str(reference))
    base = f"http://{where.registry}/v2/{where.repository}"
    nodes: dict[str, Node] = {}
    for digest in layers_of(reference):
        _apply(nodes, entries_of(f"{base}/blobs/{digest}", digest))
    first: dict[int, str] = {}
    return {
        path: (*nodes[path].told(), first.setdefault(id(nodes[path]), path))
        for path in sorted(nodes)
    }


def differences(one: Tree, other: Tree) -> list[str]:
    """What differs between two file systems, a line for each path."""
    return [
        f"{path}: {one.get(path)} {other.get(path)}"
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    ]


Entry = tuple[str, "Node | str"]
"""A path and what is there; of a hard link the path that it is another name of."""

_by_digest: dict[str, list[Entry]] = {}


def entries_of(url: str, digest: str) -> list[Entry]:
    """What one layer holds, in its order; read once, as images share layers."""
    if digest not in _by_digest:
        with tarfile.open(fileobj=io.BytesIO(unpacked(get(url)))) as archive:
            _by_digest[digest] = [
                (_path(one.name), _path(one.linkname) if one.islnk() else _node(archive, one))
                for one in archive
            ]
    return _by_digest[digest]


def _path(name: str) -> str:
    return name.removeprefix("./").strip("/")


def _node(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Node:
    content = member.linkname
    if member.isfile():
        file = archive.extractfile(member)
        assert file is not None
        content = hashlib.sha256(file.read()).hexdigest()
    elif member.isdev():
        content = f"{member.devmajor}:{member.devminor}"
    attributes = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    return Node(
        member.type,
        member.mode,
        (member.uid, member.gid),
        content,
        int(member.mtime),
        tuple(sorted(attributes.items())),
    )


def _apply(nodes: dict[str, Node], entries: list[Entry]) -> None:
    """Put one layer on the others: its removals first.

    Source: OCI image spec, *Image Layer Filesystem Changeset*.
    """
    for path, _ in entries:
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            _remove_below(nodes, folder)
        elif name.startswith(".wh."):
            _remove(nodes, f"{folder}/{name[4:]}".lstrip("/"))
    for path, what in entries:
        if path.rpartition("/")[2].startswith(".wh.") or not path:
            continue
        node = nodes[what] if isinstance(what, str) else what
        if path in nodes and node.kind != tarfile.DIRTYPE:
            _remove(nodes, path)
        nodes[path] = node


def _remove(nodes: dict[str, Node], path: str) -> None:
    if nodes.pop(path, None) is not None:
        _remove_below(nodes, path)


def _remove_below(nodes: dict[str, Node], folder: str) -> None:
    for path in [path for path in nodes if path.startswith(f"{folder}/")]:
        del nodes[path]


def stream_of(reference: object, digest: str) -> list[tuple[object, ...]]:
    """Everything that the archive of a layer says, in its order."""
    where = Reference.parse(str(reference))
    url = f"http://{where.registry}/v2/{where.repository}/blobs/{digest}"
    with tarfile.open(fileobj=io.BytesIO(unpacked(get(url)))) as archive:
        return [
            (
                one.name,
                one.mtime,
                one.size,
                one.linkname,
                one.uname,
                _node(archive, one).told() if not one.islnk() else (),
                tuple(sorted(one.pax_headers.items())),
            )
            for one in archive
        ]
