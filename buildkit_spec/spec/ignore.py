"""The rules of ``.gitignore`` and ``.dockerignore``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit_spec.errors import SpecError
from buildkit_spec.spec.places import is_file, is_there

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


def is_virtual_environment(directory: Path) -> bool:
    """Whether *directory* is a Python virtual environment (PEP 405)."""
    return is_file(directory / "pyvenv.cfg")


def _lines(path: Path) -> list[str]:
    try:
        if path.is_symlink() or not path.is_file():
            return []
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise SpecError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


class GitIgnore:
    """The ``.gitignore`` files that concern a folder: its own, nested ones, and those above it.

    Files that git tracks in spite of a pattern are left out too: only the index knows them.

    Args:
        root: The folder; files above it count up to the repository's top.

    Source: gitignore(5), *Pattern format*.
    """

    def __init__(self, root: Path) -> None:
        self._top = next((place for place in (root, *root.parents) if _has_git(place)), root)
        self._prefix = root.relative_to(self._top).parts
        self._specs: dict[tuple[str, ...], GitIgnoreSpec | None] = {}

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Whether *path* (relative to the root) is ignored, no directory above it being so."""
        parts = (*self._prefix, *path.split("/"))
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec(parts[:depth])
            if spec is None:
                continue
            relative = "/".join(parts[depth:])
            is_matched = spec.check_file(f"{relative}/" if is_dir else relative).include
            if is_matched is not None:
                return is_matched
        return False

    def _spec(self, directory: tuple[str, ...]) -> GitIgnoreSpec | None:
        if directory not in self._specs:
            self._specs[directory] = _git_spec(_lines(self._top.joinpath(*directory, ".gitignore")))
        return self._specs[directory]


def _has_git(directory: Path) -> bool:
    return is_there(directory / ".git")


def _git_spec(lines: Sequence[str]) -> GitIgnoreSpec | None:
    if not lines:
        return None
    from pathspec import GitIgnoreSpec  # only where there are patterns

    valid = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue  # git passes over what is no pattern
        valid.append(line)
    return GitIgnoreSpec.from_lines(valid)


class DockerIgnore:
    """The patterns of a ``.dockerignore`` file, in order; the last that matches decides.

    Args:
        lines: The file's lines.

    Raises:
        SpecError: A pattern is malformed, as Docker refuses it too.

    Source: moby ``patternmatcher``; Dockerfile reference, *.dockerignore file*.
    """

    def __init__(self, lines: Sequence[str] = ()) -> None:
        self._patterns = [_docker_pattern(line) for line in lines if _is_docker_pattern(line)]
        self._has_exceptions = any(is_exception for _, is_exception in self._patterns)

    @classmethod
    def load(cls, root: Path) -> DockerIgnore:
        """Read the file at the top of *root*, if there is one."""
        return cls(_lines(root / ".dockerignore"))

    def ignores(self, path: str) -> bool:
        """Whether *path* is ignored, itself or through a directory above it."""
        parts = path.split("/")
        lineage = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        is_ignored = False
        for pattern, is_exception in self._patterns:
            if is_ignored == is_exception and any(map(pattern.fullmatch, lineage)):
                is_ignored = not is_exception
        return is_ignored

    def prunes(self, path: str) -> bool:
        """Whether nothing below the directory *path* can belong: no exception brings it back."""
        return not self._has_exceptions and self.ignores(path)


def _is_docker_pattern(line: str) -> bool:
    # Docker compares before it trims, so an indented # is a pattern.
    return not line.startswith("#") and bool(line.strip()) and line.strip() not in {"/", "."}


def _docker_pattern(line: str) -> tuple[re.Pattern[str], bool]:
    written = line.strip()
    is_exception = written.startswith("!")
    parts: list[str] = []
    for part in written.removeprefix("!").strip().split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    try:
        return re.compile(_docker_regex("/".join(parts)), re.DOTALL), is_exception
    except re.error as error:
        raise SpecError(f".dockerignore has a malformed pattern: {written!r}") from error


def _docker_regex(pattern: str) -> str:
    """Translate; ``*`` and ``?`` stay within a name, ``**`` does not."""
    regex, index = "", 0
    while index < len(pattern):
        sign = pattern[index]
        index += 1
        if sign == "*" and pattern.startswith("*", index):
            index += 1
            if pattern.startswith("/", index):
                index += 1
                regex += "(?:.*/)?"
            else:
                regex += ".*"
        elif sign == "*":
            regex += "[^/]*"
        elif sign == "?":
            regex += "[^/]"
        elif sign == "\\" and index < len(pattern):
            regex += re.escape(pattern[index])
            index += 1
        elif sign == "[":
            end = pattern.find("]", index + 1)
            if end < 0:
                raise re.error("unterminated class")
            regex += f"[{pattern[index:end]}]"
            index = end + 1
        else:
            regex += re.escape(sign)
    return regex
