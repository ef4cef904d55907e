r"""Patterns of paths as the daemon sends them: those of Go's ``moby/patternmatcher``.

``*`` and ``?`` stay within a name, ``**`` crosses directories, ``[a-z]`` and ``\`` are as in a
shell; a pattern that matches a directory matches what is in it; ``!`` makes an exception, and the
last pattern that matches wins.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WILD = frozenset("*[]?^\\")


class PatternError(ValueError):
    """A pattern has no meaning."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    Attributes:
        text: Without its ``!``, as a clean path.
        is_exception: Whether it began with ``!``.
        expression: Matches the paths that it names.
    """

    text: str
    is_exception: bool
    expression: re.Pattern[str]

    @property
    def prefix(self) -> str:
        """The text without a last ``**`` or ``*``."""
        return self.text.removesuffix("/**").removesuffix("/*")

    def may_match_below(self, directory: str) -> bool:
        """Whether something in the directory may match, if the prefix has no wildcard."""
        return f"{self.prefix}/".startswith(f"{directory}/")


class Patterns:
    """A list of patterns, the last that matches winning.

    Args:
        texts: As they were sent; blank ones are passed over.

    Raises:
        PatternError: One has no meaning.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._patterns = tuple(_parse(text) for text in texts if text.strip())
        self.has_exceptions = any(pattern.is_exception for pattern in self._patterns)
        self._plain = [not _WILD & set(pattern.prefix) for pattern in self._patterns]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def match(self, path: str, above: Sequence[bool]) -> tuple[bool, tuple[bool, ...]]:
        """Return whether a path is matched, and by which patterns, for what is in it.

        Args:
            path: With ``/``, from the root.
            above: By which its directory is matched; empty at the root.

        Source: ``patternmatcher.go``, ``MatchesUsingParentResults``.
        """
        is_matched = False
        by = []
        for index, pattern in enumerate(self._patterns):
            is_hit = bool(above) and above[index]
            if not is_hit and pattern.is_exception == is_matched:
                is_hit = pattern.expression.fullmatch(path) is not None
            by.append(is_hit)
            if is_hit:
                is_matched = not pattern.is_exception
        return is_matched, tuple(by)

    def may_match_below(self, directory: str, *, is_exception: bool) -> bool:
        """Whether one of the patterns, or of the exceptions, may match in a directory.

        It may where one of them has a wildcard before its end: those are not looked into.
        """
        return any(
            not is_plain or pattern.may_match_below(directory)
            for pattern, is_plain in zip(self._patterns, self._plain, strict=True)
            if pattern.is_exception == is_exception
        )


def clean(path: str) -> str:
    """Return a path without empty parts, ``.`` and ``..``, as Go's ``filepath.Clean``."""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def is_wild(name: str) -> bool:
    """Whether a name has a wildcard that no backslash takes away."""
    return re.search(r"^(?:[^\\*?\[]|\\.)*[*?\[]", name, re.DOTALL) is not None


def _parse(text: str) -> Pattern:
    cleaned = clean(text.strip())
    is_exception = cleaned.startswith("!")
    cleaned = cleaned[1:] if is_exception else cleaned
    if not cleaned:
        raise PatternError("a pattern is only an exclamation mark")
    return Pattern(cleaned, is_exception, compile_pattern(cleaned))


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return what matches the paths that a pattern names, whole.

    Raises:
        PatternError: A bracket is not closed, a range is the wrong way round, or a backslash
            stands at the end.

    Source: ``patternmatcher.go``, ``compile``.
    """
    if text.startswith("**") and not set("*[]?\\") & set(text[2:]):
        # Any path with this end, but `**/name` not `othername`.
        end = text[2:]
        name = f"(?:.*/)?{re.escape(end[1:])}" if end.startswith("/") else f".*{re.escape(end)}"
        return re.compile(name, re.DOTALL)
    parts = []
    rest = text
    while rest:
        part, rest = _token(rest)
        parts.append(part)
    return re.compile("".join(parts), re.DOTALL)


def _token(text: str) -> tuple[str, str]:
    """Return the expression of the first piece of a pattern, and the rest of the pattern."""
    if text.startswith("**"):
        rest = text[2:].removeprefix("/")
        return ("(?:.*/)?" if rest else ".*"), rest
    first, rest = text[0], text[1:]
    if first == "*":
        return "[^/]*", rest
    if first == "?":
        return "[^/]", rest
    if first == "[":
        return _bracket(text)
    if first == "\\":
        if not rest:
            raise PatternError(f"a pattern ends with a backslash: {text!r}")
        return re.escape(rest[0]), rest[1:]
    return re.escape(first), rest


_ONE = r"(?:\\(.)|([^\\\]-]))"
_RANGE = re.compile(rf"{_ONE}(?:-{_ONE})?", re.DOTALL)


def _bracket(text: str) -> tuple[str, str]:
    """Return the same for a set of characters. Source: Go's ``filepath.Match``."""
    at = 2 if text.startswith("[^") else 1
    ranges: list[str] = []
    while not text.startswith("]", at) or not ranges:
        found = _RANGE.match(text, at)
        if found is None:
            raise PatternError(f"a bracket of a pattern has no meaning: {text!r}")
        low = found[1] or found[2]
        high = found[3] or found[4] or low
        if high < low:
            raise PatternError(f"a range of a pattern is the wrong way round: {text!r}")
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        at = found.end()
    negation = "^" if text.startswith("[^") else ""
    return f"[{negation}{''.join(ranges)}]", text[at + 1 :]
