"""The rules of ``.dockerignore``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from buildkit_spec.errors import SpecError
from buildkit_spec.spec.places import text_of


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
        return cls(text_of(root / ".dockerignore").splitlines())

    def ignores(self, path: str) -> bool:
        """Whether *path* is ignored, itself or through a directory above it."""
        if not self._patterns:
            return False
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
