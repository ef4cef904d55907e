"""The lock file beside a spec: what was resolved once, for all its platforms, and from what.

Source: PEP 751; what is ours stands in its ``tool`` table.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from buildkit_spec.errors import Problem
from buildkit_spec.plan import apt, cuda
from buildkit_spec.plan.lock import Lock
from buildkit_spec.spec import ImageSpec, RequirementKind, requirement_files
from buildkit_spec.spec.identity import declared
from buildkit_spec.spec.local_requirements import needs_digest
from buildkit_spec.spec.logins import without_secrets
from buildkit_spec.spec.requirements import logical_lines
from buildkit_spec.values import Platform

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TOOL = "buildkit-spec"
_RESOLVED_FROM = (
    "base_image",
    "conda_channels",
    "conda_packages",
    "cuda",
    "cuda_options",
    "cudnn",
    "dependency_groups",
    "extras",
    "packages",
    "pip_extra_args",
    "pip_extra_index_url",
    "pip_index",
    "python_exec",
    "python_version",
    "requirements",
)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "386": "i686"}
_FILE_KEYS = ("wheels", "sdist", "archive", "vcs", "directory")


def inputs(spec: ImageSpec) -> str:
    """Return a hash of all that the resolver's answer depends on, but for the indexes' contents."""
    said = declared(spec)
    pythons = [name for name in said.get("apt_packages", ()) if apt.brings_python(name)]
    projects = [one for one in spec.local_requirements() if not one.is_project]
    document = {
        "declared": {key: said[key] for key in _RESOLVED_FROM if key in said},
        **({"apt_packages": pythons} if pythons else {}),
        **({"projects": needs_digest(projects)} if projects else {}),
        "platforms": sorted(map(str, spec.platforms())),
        "files": [
            [file.path, hashlib.sha256(file.content).hexdigest()]
            for file in requirement_files(spec)
        ],
    }
    text = json.dumps(document, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_current(text: bytes, spec: ImageSpec) -> bool:
    """Whether the lock was made from what the spec says now."""
    try:
        found = tomllib.loads(text.decode())["tool"][_TOOL]["inputs"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(found == inputs(spec))


def versions(text: bytes) -> dict[str, str]:
    """Return the versions in a lock by package; nothing of what is no lock."""
    try:
        packages = tomllib.loads(text.decode()).get("packages", ())
        return {entry["name"]: entry["version"] for entry in packages if "version" in entry}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def write(spec: ImageSpec, locks: Mapping[Platform, Lock]) -> str:
    """Return the lock file's text.

    Args:
        spec: What was resolved.
        locks: What was found for each platform; at least one.
    """
    documents = {platform: tomllib.loads(lock.text) for platform, lock in locks.items()}
    first = next(iter(documents.values()))
    document = {
        "lock-version": "1.0",
        "created-by": _TOOL,
        **({"requires-python": first["requires-python"]} if "requires-python" in first else {}),
        "packages": _merged(
            documents, {platform: lock.indexes for platform, lock in locks.items()}
        ),
        "tool": {_TOOL: {"inputs": inputs(spec), "platforms": sorted(map(str, locks))}},
    }
    return (
        "# Written by `buildkit-spec lock`; it is used as long as the spec asks for the same.\n"
        + tomli_w.dumps(document)
    )


def never_locked(spec: ImageSpec) -> list[Problem]:
    """Return what of a spec every build resolves, whatever lock there is."""
    if not spec.conda_packages:
        return []
    what = "have no lock: every build resolves them"
    return [Problem("conda_packages", what, "build without --locked")]


def problems(spec: ImageSpec) -> list[Problem]:
    """Return why a spec's Python packages must be resolved anew; nothing when they need not be."""
    if not cuda.wants_python(spec) or _is_lock_itself(spec):
        return []
    field = next((one for one in ("packages", "requirements") if getattr(spec, one)), "cuda")
    text, path = spec.lock_text(), spec.origin.lock
    command = "buildkit-spec lock, with the spec's file"
    if path is None:
        return [Problem(field, "have no lock: the spec is not from a file", command)]
    if text is None:
        return [Problem(field, f"have no lock: there is no {path.name}", command)]
    if not is_current(text, spec):
        return [Problem(field, f"have changed since {path.name} was written", command)]
    return []


def _is_lock_itself(spec: ImageSpec) -> bool:
    if spec.packages or not spec.requirements or cuda.requirements(spec):
        return False
    locks = {RequirementKind.UV_LOCK, RequirementKind.POETRY_LOCK, RequirementKind.PYLOCK}
    if RequirementKind.of(spec.requirements) in locks:
        return True
    if RequirementKind.of(spec.requirements) is not RequirementKind.TEXT:
        return False
    return all(
        _is_pinned(line)
        for file in requirement_files(spec)
        for _, line in logical_lines(file.content.decode(errors="replace"))
    )


def _is_pinned(line: str) -> bool:
    """Whether a line of a requirements file leaves nothing to resolve."""
    if line.startswith("-"):
        return not line.startswith(("-e", "--editable"))
    return "--hash" in line and ("==" in line or "@" in line)


def _merged(
    documents: Mapping[Platform, Mapping[str, Any]], indexes: Mapping[Platform, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the packages of all platforms; one that is not the same on all of them is marked."""
    entries: dict[tuple[str, str], dict[Platform, Mapping[str, Any]]] = {}
    for platform, document in documents.items():
        for entry in document.get("packages", ()):
            key = (entry["name"], entry.get("version", ""))
            entries.setdefault(key, {})[platform] = entry
    merged = []
    for key in sorted(entries):
        found = entries[key]
        one: dict[str, Any] = {}
        for platform, entry in found.items():
            own = {"index": indexes[platform][key[0]]} if key[0] in indexes[platform] else {}
            one = {**entry, **own, **one}
        one.pop("marker", None)
        if wheels := _wheels(list(found.values())):
            one["wheels"] = wheels
        if len(found) < len(documents):
            machines = sorted({_machine(platform) for platform in found})
            one["marker"] = " or ".join(f'platform_machine == "{one}"' for one in machines)
        order = ("name", "version", "marker", "index", *_FILE_KEYS)
        merged.append({name: _bare(one[name]) for name in order if name in one})
    return merged


def _machine(platform: Platform) -> str:
    return _MACHINES.get(platform.architecture, platform.architecture)


def _bare(value: Any) -> Any:
    """Return a value of the document with no login in any of its URLs."""
    if isinstance(value, dict):
        return {key: _bare(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return without_secrets(value) if isinstance(value, str) and "://" in value else value


def _wheels(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    by_url = {wheel["url"]: wheel for entry in entries for wheel in entry.get("wheels", ())}
    return [by_url[url] for url in sorted(by_url)]
