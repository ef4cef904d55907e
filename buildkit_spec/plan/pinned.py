"""A ``pylock.toml`` as pinned lines, and which index its packages are from.

Source: PEP 751.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plan.locking import Located
from buildkit_spec.spec import RequirementFile
from buildkit_spec.spec.logins import with_written_logins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SEPARATORS = re.compile(r"[-_.]+")


def normalized(name: str) -> str:
    """Return the one spelling of a package's name. Source: PEP 503, *Normalized Names*."""
    return _SEPARATORS.sub("-", name).lower()


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a lock names.

    Attributes:
        file: A requirements file with pinned versions, markers and hashes.
        located: Packages that are not in it, because the lock says which index they are from.
    """

    file: RequirementFile
    located: tuple[Located, ...] = ()


def from_pylock(file: RequirementFile, logins: Mapping[str, str] = MappingProxyType({})) -> Pinned:
    """Return what a ``pylock.toml`` names.

    What it has of this machine is not in it: it is sent, and installed beside the lock.

    Args:
        file: The lock.
        logins: Variables that stand for logins; a lock has what they stood for, or nothing.

    Raises:
        SpecValidationError: It is no lock of the version known here.
    """
    try:
        document = tomllib.loads(file.content.decode())
        entries = (
            document.get("packages", ()) if document["lock-version"].startswith("1.") else None
        )
        lines = [_line(entry, logins) for entry in entries or () if not _index(entry)]
        located = [_located(entry) for entry in entries or () if _index(entry)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecValidationError([_no_pylock(file)]) from error
    if entries is None:
        raise SpecValidationError([_no_pylock(file)])
    path = re.sub(r"\.toml$", ".txt", file.path)
    listed = RequirementFile(path, "".join(lines).encode(), file.is_root)
    return Pinned(listed, tuple(located))


def _no_pylock(file: RequirementFile) -> Problem:
    what = f"{file.path} is no pylock.toml of version 1"
    return Problem("requirements", what, "uv export --format pylock.toml")


def _index(entry: Mapping[str, Any]) -> str:
    """Return the index an entry is from; empty when it does not say, or is from none."""
    is_elsewhere = any(key in entry for key in ("vcs", "archive", "directory"))
    return "" if is_elsewhere else str(entry.get("index", ""))


def _located(entry: Mapping[str, Any]) -> Located:
    return Located(normalized(entry["name"]), _pin(entry), _index(entry), _hashes(_files(entry)))


def _line(entry: Mapping[str, Any], logins: Mapping[str, str]) -> str:
    name = entry["name"]
    if vcs := entry.get("vcs"):
        where = vcs.get("url") or f"file://{vcs['path']}"
        source = f"{vcs['type']}+{where}@{vcs['commit-id']}{_part(vcs)}"
        what, files = f"{name} @ {with_written_logins(source, logins)}{_marker(entry)}", []
    elif "directory" in entry or "path" in entry.get("archive", {}):
        return ""
    elif archive := entry.get("archive"):
        source = f"{archive['url']}{_part(archive)}"
        what, files = f"{name} @ {with_written_logins(source, logins)}{_marker(entry)}", [archive]
    else:
        what, files = _pin(entry), _files(entry)
    return f"{' '.join([what, *(f'--hash={one}' for one in _hashes(files))])}\n"


def _files(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*entry.get("wheels", ()), *([entry["sdist"]] if "sdist" in entry else [])]


def _pin(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}=={entry['version']}{_marker(entry)}"


def _marker(entry: Mapping[str, Any]) -> str:
    return f" ; {entry['marker']}" if entry.get("marker") else ""


def _part(source: Mapping[str, Any]) -> str:
    return f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""


def _hashes(files: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    pairs = (pair for file in files for pair in file.get("hashes", {}).items())
    return tuple(sorted({f"{kind}:{value}" for kind, value in pairs}))
