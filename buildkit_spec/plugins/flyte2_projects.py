"""Arguments of ``uv sync`` and ``poetry install``: groups and extras of a project."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_UV_SAYS_NOTHING = {"--active", "--frozen", "--inexact", "--locked", "--no-editable"}
_POETRY_SAYS_NOTHING = {"--compile", "--no-ansi", "--no-interaction", "--quiet", "-n", "-q"}


@dataclass(slots=True)
class Wish:
    """What is wanted of a project.

    Attributes:
        groups: Dependency groups.
        extras: Extras.
        is_without_project: Whether the project itself is not.
        rest: Arguments about something else.
    """

    groups: set[str]
    extras: set[str] = field(default_factory=set)
    is_without_project: bool = False
    rest: list[str] = field(default_factory=list)

    def options(self, is_installed: bool) -> dict[str, Any]:
        """Return the builder options for it.

        Args:
            is_installed: Whether the project is installed when no argument says otherwise.
        """
        return {
            "dependency_groups": sorted(self.groups),
            "extras": sorted(self.extras),
            "install_project": (
                "normal" if is_installed and not self.is_without_project else "none"
            ),
        }


def uv_wish(project: Mapping[str, Any], arguments: str) -> Wish:
    """Return what ``uv sync`` with these arguments wants.

    Args:
        project: The ``pyproject.toml``.
        arguments: Quoted as in a shell.

    Source: uv documentation, *Locking and syncing*, ``default-groups``.
    """
    settings = project.get("tool", {}).get("uv", {})
    known = set(project.get("dependency-groups", {}))
    known |= {"dev"} if settings.get("dev-dependencies") else set()
    default = settings.get("default-groups", ["dev"])
    wish = Wish(set(known) if default == "all" else known & set(default))
    for flag, value in _options(arguments, {"--extra", "--group", "--no-group"}):
        if flag == "--extra":
            wish.extras.add(value)
        elif flag == "--all-extras":
            wish.extras.update(project.get("project", {}).get("optional-dependencies", {}))
        elif flag in {"--group", "--dev"}:
            wish.groups.add(value or "dev")
        elif flag == "--all-groups":
            wish.groups |= known
        elif flag in {"--no-group", "--no-dev"}:
            wish.groups.discard(value or "dev")
        elif flag == "--no-default-groups":
            wish.groups.clear()
        elif flag == "--no-install-project":
            wish.is_without_project = True
        elif flag not in _UV_SAYS_NOTHING:
            wish.rest.append(f"{flag}={value}" if value else flag)
    return wish


def poetry_wish(project: Mapping[str, Any], arguments: str) -> Wish:
    """Return what ``poetry install`` with these arguments wants.

    Args:
        project: The ``pyproject.toml``.
        arguments: Quoted as in a shell.

    Source: Poetry documentation, *Managing dependencies*, *Installing group dependencies*.
    """
    settings = project.get("tool", {}).get("poetry", {})
    declared = settings.get("group", {})
    known = {*declared, *project.get("dependency-groups", {})}
    known |= {"dev"} if settings.get("dev-dependencies") else set()
    wish = Wish({name for name in known if not declared.get(name, {}).get("optional")})
    valued = {"--with", "--without", "--only", "--extras", "-E"}
    for flag, value in _options(arguments, valued):
        named = set(re.findall(r"[^\s,]+", value))
        if flag == "--with":
            wish.groups |= named
        elif flag == "--without":
            wish.groups -= named
        elif flag == "--only" and named == {"main"}:
            wish.groups.clear()
        elif flag in {"--extras", "-E"}:
            wish.extras |= named
        elif flag == "--all-extras":
            wish.extras.update(settings.get("extras", {}))
            wish.extras.update(project.get("project", {}).get("optional-dependencies", {}))
        elif flag == "--all-groups":
            wish.groups |= known
        elif flag == "--no-root":
            wish.is_without_project = True
        elif flag not in _POETRY_SAYS_NOTHING:
            wish.rest.append(f"{flag}={value}" if value else flag)
    return wish


def _options(arguments: str, valued: set[str]) -> list[tuple[str, str]]:
    words, found = shlex.split(arguments), []
    while words:
        flag, _, value = words.pop(0).partition("=")
        if flag in valued and not value and words:
            value = words.pop(0)
        found.append((flag, value))
    return found
