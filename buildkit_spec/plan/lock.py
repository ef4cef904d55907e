"""The lock: every Python package of an image with its version, hashes and size.

Source: PEP 751 (``pylock.toml``), as ``uv pip compile`` writes it for one interpreter: of a
package's wheels only the one that will be installed is in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from buildkit_spec.errors import GraphError
from buildkit_spec.spec.logins import with_written_logins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package of a lock.

    Attributes:
        name: Normalized (PEP 503).
        version: Empty when only building it tells.
        source: What stands behind ``name @`` when it is not from an index; else empty.
        hashes: Such as ``sha256:…``, sorted; an installed file must have one of them.
        size_bytes: Size of its wheel; 0 when it is not known.
        is_wheel: Whether it is installed as it is; others are built first.
        path: Local directory or file it comes from, in the build; else empty.
        is_editable: Whether it is used where it stands.
        url: Where its file is, when it is from an index that installing does not ask; else empty.
    """

    name: str
    version: str
    source: str = ""
    hashes: tuple[str, ...] = ()
    size_bytes: int = 0
    is_wheel: bool = True
    path: str = ""
    is_editable: bool = False
    url: str = ""

    @property
    def requirement(self) -> str:
        """The line of a requirements file that installs it, and nothing else."""
        if self.is_editable:
            return f"-e {self.path}"
        source = f"file://{self.path}" if self.path else self.source or self.url
        pinned = f"{self.name} @ {source}" if source else f"{self.name}=={self.version}"
        return " ".join([pinned, *(f"--hash={one}" for one in self.hashes)])

    @property
    def is_commit(self) -> bool:
        """Whether it is the commit of a repository, which is verified by its name."""
        return "+" in self.source.partition("://")[0]

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Lock:
    """What the resolver found for one interpreter.

    Attributes:
        packages: By name.
        text: The ``pylock.toml``.
        indexes: URL of the index, without a login, of the packages that are not from one that all
            packages are looked up in.
    """

    packages: tuple[LockedPackage, ...] = ()
    text: str = ""
    indexes: Mapping[str, str] = field(default_factory=dict)


def read_lock(
    answer: bytes,
    *,
    directory: str = "",
    hashes: Mapping[str, frozenset[str]] | None = None,
    logins: Mapping[str, str] = MappingProxyType({}),
) -> Lock | None:
    """Read what the resolver left.

    Args:
        answer: JSON of ``plan/inside/lock.py``.
        directory: Where the lock stood in the build; local paths in it start from there.
        hashes: The hashes that the user's own lock allows, by package; they are put in place of
            the resolver's, so that they are verified.
        logins: What stands before a host in the user's own URLs; see `written_logins`. The lock
            says nothing of them.

    Returns:
        The lock; None when packages must be built to know more.

    Raises:
        GraphError: It is something else.
    """
    try:
        document = json.loads(answer)
        if document.get("needs_build"):
            return None
        text = document["lock"]
        sizes = document["sizes"]
        indexes = dict(document.get("indexes", {}))
        found = [
            _with_logins(_package(entry, sizes, directory, indexes), logins)
            for entry in tomllib.loads(text).get("packages", ())
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphError("the resolver left no lock that can be read") from error
    if hashes:
        found = [_with_hashes(package, hashes) for package in found]
    return Lock(tuple(sorted(found, key=lambda package: package.name)), text, indexes)


def _package(
    entry: Mapping[str, Any],
    sizes: Mapping[str, int],
    directory: str,
    indexes: Mapping[str, str],
) -> LockedPackage:
    name, version = entry["name"], entry.get("version", "")
    if vcs := entry.get("vcs"):
        return LockedPackage(name, version, _vcs_source(vcs), is_wheel=False)
    if local := entry.get("directory"):
        return LockedPackage(
            name,
            version,
            is_wheel=False,
            path=_absolute(local["path"], directory),
            is_editable=bool(local.get("editable")),
        )
    if archive := entry.get("archive"):
        if "path" in archive:
            path = _absolute(archive["path"], directory)
            # Its file is lent to one step, behind the layer groups, whatever it is.
            hashes = _hashes([archive])
            return LockedPackage(name, version, hashes=hashes, is_wheel=False, path=path)
        return LockedPackage(
            name,
            version,
            archive["url"] + _part(archive),
            _hashes([archive]),
            archive.get("size") or _size([archive], sizes),
            is_wheel=archive["url"].endswith(".whl"),
        )
    wheels = entry.get("wheels", [])
    files = wheels or [entry["sdist"]]
    return LockedPackage(
        name,
        version,
        hashes=_hashes(files),
        size_bytes=_size(files, sizes),
        is_wheel=bool(wheels),
        url=files[-1]["url"] if name in indexes else "",
    )


def _vcs_source(vcs: Mapping[str, Any]) -> str:
    where = vcs.get("url") or f"file://{vcs['path']}"
    return f"{vcs['type']}+{where}@{vcs['commit-id']}{_part(vcs)}"


def _part(source: Mapping[str, Any]) -> str:
    return f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""


def _absolute(path: str, directory: str) -> str:
    return path if path.startswith("/") else _normal(f"{directory}/{path}")


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def _hashes(files: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    pairs = (pair for file in files for pair in file.get("hashes", {}).items())
    return tuple(sorted(f"{kind}:{value}" for kind, value in pairs))


def _size(files: Iterable[Mapping[str, Any]], sizes: Mapping[str, int]) -> int:
    return max(
        file.get("size") or sizes.get(file.get("hashes", {}).get("sha256", ""), 0) for file in files
    )


def _with_hashes(package: LockedPackage, hashes: Mapping[str, frozenset[str]]) -> LockedPackage:
    allowed = hashes.get(package.name)
    return replace(package, hashes=tuple(sorted(allowed))) if allowed else package


def _with_logins(package: LockedPackage, logins: Mapping[str, str]) -> LockedPackage:
    return replace(
        package,
        source=with_written_logins(package.source, logins),
        url=with_written_logins(package.url, logins),
    )
