"""Requirement files with everything they include."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from buildkit_spec.errors import Problem
from buildkit_spec.spec.installer_args import is_in_the_build
from buildkit_spec.spec.logins import has_login
from buildkit_spec.spec.packages import refuse_option
from buildkit_spec.spec.problems import Refusal

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"^(?:-r|-c|--requirements?|--constraints?)(?:\s*=\s*|\s*)(?P<target>.+)$")
_EDITABLE = re.compile(r"^(?:-e|--editable)(?:\s*=\s*|\s*)(?P<target>.+)$")
_OPTION = re.compile(r"^-")
_LINKS = re.compile(r"^(?:-f|--find-links)(?:\s*=\s*|\s*)(?P<target>.+)$")
_MEMBER = re.compile(r'source = \{ (?:editable|virtual|directory) = "([^"]+)" \}')


class RequirementKind(Enum):
    """How a requirements file is to be understood; told by its name, as flytekit does.

    Attributes:
        TEXT: Lines of pip's format.
        UV_LOCK: ``uv.lock`` with the ``pyproject.toml`` beside it.
        POETRY_LOCK: ``poetry.lock`` with the ``pyproject.toml`` beside it.
        PYLOCK: ``pylock.toml`` or ``pylock.<name>.toml`` (PEP 751).
        PYPROJECT: ``pyproject.toml``.
    """

    TEXT = "text"
    UV_LOCK = "uv.lock"
    POETRY_LOCK = "poetry.lock"
    PYLOCK = "pylock.toml"
    PYPROJECT = "pyproject.toml"

    @classmethod
    def of(cls, path: str) -> RequirementKind:
        """Return the kind of the file *path* names."""
        name = re.split(r"[/\\]", path)[-1]
        if re.match(r"^pylock\.([^.]+\.)?toml$", name):
            return cls.PYLOCK
        return next((kind for kind in cls if kind.value == name), cls.TEXT)

    @property
    def has_project(self) -> bool:
        """Whether the ``pyproject.toml`` beside it belongs to it."""
        return self in {RequirementKind.UV_LOCK, RequirementKind.POETRY_LOCK}


@dataclass(frozen=True, slots=True)
class RequirementFile:
    """One file of a closure.

    Attributes:
        path: Relative to the folder that holds all files of the closure, with ``/``: in a
            directory laid out like this the includes find each other.
        content: Its bytes.
        is_root: Whether the spec names it; the others are included by it.
        origin: Where it stands on this machine, absolute; None when it was made.
    """

    path: str
    content: bytes
    is_root: bool = False
    origin: Path | None = None


def read_closure(file: Path) -> tuple[tuple[RequirementFile, ...], list[Problem]]:
    """Read a requirements file and all it includes.

    Args:
        file: Absolute path of the file a spec names.

    Returns:
        The files, the one named first, the others by path; and what is wrong with them, each
        problem naming file and line, its field empty.
    """
    file = Path(os.path.normpath(file))
    kind = RequirementKind.of(file.name)
    contents: dict[Path, bytes] = {}
    problems: list[Problem] = []
    pending = [(file, "")]
    if kind.has_project:
        pending.append((file.with_name("pyproject.toml"), f"{file.name} needs it beside it"))
    while pending:
        path, why = pending.pop()
        if path in contents:
            continue
        try:
            contents[path] = path.read_bytes()
        except OSError as error:
            problems.append(_unreadable(path, why, error))
            continue
        text = contents[path].decode(errors="replace")
        if kind is RequirementKind.TEXT:
            pending += _included(path, text, problems)
        elif kind is not RequirementKind.PYLOCK:
            pending += _members(path, text, problems)
    top = os.path.commonpath([path.parent for path in contents] or [file.parent])
    files = sorted(
        (
            RequirementFile(Path(path).relative_to(top).as_posix(), content, path == file, path)
            for path, content in contents.items()
        ),
        key=lambda one: (not one.is_root, one.path),
    )
    return tuple(files), problems


def _included(path: Path, text: str, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    for number, line in logical_lines(text):
        if include := _checked(line, f"{path.name}:{number}", problems):
            included = Path(os.path.normpath(path.parent / include))
            yield included, f"{path.name}:{number} includes it"


def _members(path: Path, text: str, problems: list[Problem]) -> Iterator[tuple[Path, str]]:
    if has_login(text):
        for number, line in enumerate(text.splitlines(), start=1):
            _check_login(line, f"{path.name}:{number}", problems)
    if RequirementKind.of(path.name) is RequirementKind.UV_LOCK:
        for member in _MEMBER.findall(text):
            project = Path(os.path.normpath(path.parent / member / "pyproject.toml"))
            yield project, f"a member of {path.name}"


def _unreadable(path: Path, why: str, error: OSError) -> Problem:
    reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
    return Problem("", f"{path} {reason}" + (f" ({why})" if why else ""))


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines without comments, those that end with a backslash joined, with their number.

    Source: pip documentation, *Requirements File Format*.
    """
    joined, first = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        first = first or number
        if raw.endswith("\\") and not raw.lstrip().startswith("#"):
            joined += raw[:-1]
            continue
        line = _COMMENT.sub("", joined + raw).strip()
        if line:
            yield first, line
        joined, first = "", 0


def _check_login(line: str, place: str, problems: list[Problem]) -> None:
    if has_login(line):
        problems.append(
            Problem(
                "",
                f"{place} holds a login, which would stay in the build's history",
                "write the URL without it, and mount a .netrc with pip_secret_mounts",
            )
        )


def _checked(line: str, place: str, problems: list[Problem]) -> str:
    """Note what is wrong with one line; return the local file it includes, or nothing."""
    _check_login(line, place, problems)
    include = _INCLUDE.match(line)
    if include:
        target = include["target"].strip().strip("\"'")
        return "" if re.match(r"^https?://", target) else target
    links = _LINKS.match(line)
    if links and not is_in_the_build(links["target"].strip("\"'")):
        what = f"{place} names a folder, which is not sent to the build"
        remedy = "name its wheels one by one, or a URL, or a path in the base image"
        problems.append(Problem("", what, remedy))
    editable = _EDITABLE.match(line)
    if editable is None and _OPTION.match(line):
        return ""
    try:
        refuse_option(editable["target"].strip() if editable else line)
    except Refusal as refusal:
        problem = refusal.problems[0]
        problems.append(Problem("", f"{place}: {problem.message}", problem.remedy))
    return ""
