"""`registry_config`: the file that says how registries are reached, in envd's form.

::

    {"registries": [
      {"name": "registry.example.com:5000", "ca": "ca.pem", "cert": "me.pem", "key": "me.key"},
      {"name": "http.example.com", "use_http": true},
      {"name": "docker.io", "mirror": "mirror.example.com/hub"}
    ]}

Source: envd ``pkg/util/buildkitutil/buildkit.go``, ``pkg/app/bootstrap.go``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit_spec.errors import InvalidReferenceError, Problem, SpecValidationError
from buildkit_spec.spec.places import is_file
from buildkit_spec.spec.problems import Problems, Refusal, known_fields, moved
from buildkit_spec.spec.scalars import kind_of, line, path, switch
from buildkit_spec.values import Reference, RegistryConfig, RegistrySettings

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec

_KEYS = ("name", "ca", "cert", "key", "use_http", "mirror")


def registries_of(spec: ImageSpec) -> RegistryConfig:
    """Return how a spec and its base specs want registries reached; the outer spec goes first.

    Raises:
        SpecValidationError: A file cannot be used; all its problems.
    """
    config = RegistryConfig()
    if spec.registry_config is not None:
        config, problems = read_config(spec.resolve(spec.registry_config))
        if problems:
            raise SpecValidationError(moved(problems, "registry_config"))
    base = spec.base_image
    return config if base is None or isinstance(base, str) else config.over(registries_of(base))


def read_config(file: Path) -> tuple[RegistryConfig, list[Problem]]:
    """Read a file, and everything that is wrong with it.

    Args:
        file: JSON; relative paths in it start from its folder.

    Returns:
        What is right, and the problems: each names file and place in its message.
    """
    problems = Problems()
    entries: list[RegistrySettings] = []
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
        for index, entry in enumerate(_entries(document)):
            with problems.under(f"registries[{index}]"):
                entries.append(_settings(entry, file.parent))
        hosts = [one.host for one in entries]
        twice = sorted({host for host in hosts if hosts.count(host) > 1})
        problems += [Problem("registries", f"{host} is there twice") for host in twice]
    except json.JSONDecodeError as error:
        problems.append(Problem("", f"is no JSON at line {error.lineno} column {error.colno}"))
    except UnicodeDecodeError:
        problems.append(Problem("", "is not UTF-8 text"))
    except OSError as error:
        problems.append(Problem("", f"cannot be read: {(error.strerror or str(error)).lower()}"))
    except Refusal as refusal:
        problems += refusal.problems
    except (ValueError, RecursionError):  # a number of a million digits, a million brackets
        problems.append(Problem("", "is no JSON that can be read"))
    return RegistryConfig(tuple(entries)), [_told(file, problem) for problem in problems]


def _told(file: Path, problem: Problem) -> Problem:
    place = f"{file.name}: {problem.field}: " if problem.field else f"{file.name} "
    return Problem("", f"{place}{problem.message}", problem.remedy)


def _entries(document: object) -> list[object]:
    if not isinstance(document, dict):
        raise Refusal(f"holds {kind_of(document)}, not an object", 'write {"registries": []}')
    _, unknown = known_fields(document, ["registries"])
    entries = document.get("registries", [])
    if not isinstance(entries, list):
        unknown.append(Problem("registries", f"is {kind_of(entries)}, not a list"))
    if unknown:
        raise Refusal(problems=unknown)
    return list(entries)


def _settings(entry: object, folder: Path) -> RegistrySettings:
    if not isinstance(entry, Mapping):
        raise Refusal(f"is {kind_of(entry)}, not an object", 'write {"name": "ghcr.io"}')
    given, unknown = known_fields(entry, _KEYS)
    # envd's own examples have "" for what is not given.
    given = {key: value for key, value in given.items() if value != ""}
    problems, checked = Problems(unknown), dict[str, Any]()
    if "name" not in given:
        problems.append(Problem("name", "is missing", 'write "name": "ghcr.io"'))
    for key, value in given.items():
        with problems.under(key):
            if key == "use_http":
                checked[key] = switch(value)
            elif key == "name":
                checked[key] = _host(line(value))
            elif key == "mirror":
                checked[key] = _mirror(line(value))
            else:
                checked[key] = _file(path(value), folder)
    for key, other in (("cert", "key"), ("key", "cert")):
        if key in given and other not in given:
            problems.append(Problem(key, f"is of no use without {other}"))
    if checked.get("use_http"):
        problems += [
            Problem(key, "is of no use over plain http", "leave it or use_http out")
            for key in ("ca", "cert")
            if key in given
        ]
    problems.refuse()
    return RegistrySettings(
        checked["name"],
        is_http=checked.get("use_http", False),
        ca_file=checked.get("ca", ""),
        cert_file=checked.get("cert", ""),
        key_file=checked.get("key", ""),
        mirror=checked.get("mirror", ""),
    )


def _host(written: str) -> str:
    return _parsed(written, f"{written}/a/b", "/" not in written).registry


def _mirror(written: str) -> str:
    place = written.rstrip("/")
    return _parsed(place, f"{place}/a/b", True).name.removesuffix("/a/b")


def _parsed(written: str, name: str, is_plain: bool) -> Reference:
    """Return *name* as a reference; what has no host would be a repository of Docker Hub."""
    bare = written.partition("://")[2].rstrip("/")
    remedy = f"write {bare}" if bare else "write a host, with its port if it is not 443"
    try:
        reference = Reference.parse(name.lower())
    except InvalidReferenceError as error:
        raise Refusal(f"{written!r} is no registry: {error.rule}", remedy) from error
    is_host = reference.repository == name.lower().partition("/")[2]
    if not is_plain or not is_host:
        raise Refusal(f"{written!r} is no registry's host", remedy)
    return reference


def _file(written: str, folder: Path) -> str:
    place = Path(written)
    with suppress(RuntimeError):  # nobody has the name behind the ~
        place = place.expanduser()
    if not is_file(folder / place):
        raise Refusal(f"{written!r} does not exist in {folder}")
    return str(folder / place)
