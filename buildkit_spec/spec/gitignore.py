"""The rules of ``.gitignore``, as git itself applies them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildkit_spec.spec.places import is_there, text_of

_NEVER = "(?!)"
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t-\\r",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


class GitIgnore:
    """The ``.gitignore`` files that concern a folder: its own, nested ones, and those above it.

    Files that git tracks in spite of a pattern are left out too: only the index knows them.
    Machine-wide excludes do not count.

    Args:
        root: The folder; files above it count up to the repository's top.

    Source: gitignore(5), *Pattern format*; git ``dir.c``, ``last_matching_pattern``.
    """

    def __init__(self, root: Path) -> None:
        tops = (place for place in (root, *root.parents) if is_there(place / ".git"))
        self._top = next(tops, root)
        prefix = root.relative_to(self._top).as_posix()
        self._prefix = "" if prefix == "." else f"{prefix}/"
        self._files: dict[str, tuple[_Pattern, ...]] = {}
        self._chains: dict[str, tuple[tuple[int, tuple[_Pattern, ...]], ...]] = {}

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Whether *path* (relative to the root) is ignored, no directory above it being so."""
        path = self._prefix + path
        directory, _, name = path.rpartition("/")
        for start, patterns in self._chain(directory):
            relative = path[start:]
            for pattern in patterns:
                if pattern.matches(relative, name, is_dir=is_dir):
                    return not pattern.is_exception
        return False

    def _chain(self, directory: str) -> tuple[tuple[int, tuple[_Pattern, ...]], ...]:
        """Return what decides in a directory, the nearest file first.

        Pairs of where the part of a path begins that a file's patterns are about, and these.
        """
        chain = self._chains.get(directory)
        if chain is None:
            above = directory.rpartition("/")[0]
            chain = self._chain(above) if directory else ()
            if patterns := self._patterns(directory):
                chain = ((len(directory) + 1 if directory else 0, patterns), *chain)
            self._chains[directory] = chain
        return chain

    def _patterns(self, directory: str) -> tuple[_Pattern, ...]:
        """Return the patterns of a directory's file, the last one first: it decides."""
        if directory not in self._files:
            lines = text_of(self._top / directory / ".gitignore").split("\n")
            patterns = [_Pattern(line) for line in lines if not line.startswith("#")]
            self._files[directory] = tuple(pattern for pattern in patterns[::-1] if pattern.regex)
        return self._files[directory]


class _Pattern:
    """One line of a file."""

    def __init__(self, line: str) -> None:
        text = _without_trailing_blanks(line.removesuffix("\r"))
        self.is_exception = text.startswith("!")
        text = text.removeprefix("!")
        self._is_for_directories = text.endswith("/")
        text = text.removesuffix("/")
        self._is_name = "/" not in text
        text = text.removeprefix("/")
        # Git compares the part before the first wildcard by itself, and so takes ``**`` behind it
        # for one that stands at the beginning (``dir.c``, ``match_pathname``).
        literal = re.match(r"[^*?\[\\]*", text)[0]  # type: ignore[index]
        regex = re.escape(literal) + "".join(_translate(text[len(literal) :]))
        self.regex = re.compile(regex, re.DOTALL) if text else None

    def matches(self, path: str, name: str, *, is_dir: bool) -> bool:
        if self.regex is None or (self._is_for_directories and not is_dir):
            return False
        return self.regex.fullmatch(name if self._is_name else path) is not None


def _without_trailing_blanks(line: str) -> str:
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    return line


def _translate(pattern: str) -> Iterator[str]:
    """Yield the pieces of a regular expression for a pattern. Source: git ``wildmatch.c``."""
    index = 0
    while index < len(pattern):
        sign = pattern[index]
        if sign == "*":
            end = index
            while pattern.startswith("*", end):
                end += 1
            is_whole = index == 0 or pattern[index - 1] == "/"
            if end - index > 1 and is_whole and pattern.startswith("/", end):
                yield "(?:.*/)?"
                end += 1
            elif end - index > 1 and is_whole and end == len(pattern):
                yield ".*"
            else:
                yield "[^/]*"
            index = end
            continue
        index += 1
        if sign == "?":
            yield "[^/]"
        elif sign == "[":
            regex, index = _bracket(pattern, index)
            yield regex
        elif sign != "\\":
            yield re.escape(sign)
        elif index < len(pattern):
            yield re.escape(pattern[index])
            index += 1
        else:
            yield _NEVER


def _bracket(pattern: str, index: int) -> tuple[str, int]:
    """Translate a bracket expression.

    Args:
        pattern: The pattern.
        index: Behind the opening bracket.

    Returns:
        Its regular expression, which never matches when it is malformed, and the index behind it.
    """
    is_negated = pattern[index : index + 1] in {"!", "^"}
    index += is_negated
    items, previous, first = "", "", True
    while first or pattern[index : index + 1] != "]":
        first = False
        sign = pattern[index : index + 1]
        named = re.match(r"\[:([a-z]*):\]", pattern[index:])
        if not sign or (named and named[1] not in _CLASSES):
            return _NEVER, len(pattern)
        if named:
            items += _CLASSES[named[1]]
            index, previous = index + named.end(), ""
            continue
        following = pattern[index + 1 : index + 2]
        if sign == "-" and previous and following and following != "]":
            index += 1
            sign, index = _sign(pattern, index)
            if sign and previous < sign:
                items += f"{re.escape(previous)}-{re.escape(sign)}"
            elif sign == previous:
                items += re.escape(sign)
            previous = ""
        else:
            sign, index = _sign(pattern, index)
            items += re.escape(sign)
            previous = sign
    if is_negated:
        return f"[^/{items}]", index + 1
    return f"(?!/)[{items}]" if items else _NEVER, index + 1


def _sign(pattern: str, index: int) -> tuple[str, int]:
    """Return a literal sign, escaped or not, and the index behind it."""
    if pattern[index] == "\\":
        index += 1
    return pattern[index : index + 1], index + 1
