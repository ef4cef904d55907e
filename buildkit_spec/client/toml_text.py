"""TOML as text: which line says what. The parser of the standard library does not tell.

Lines inside a string of several lines are read as if they stood alone: whoever edits by what is
found here reads the result back.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path_ = tuple[str, ...]
"""Keys from the top of a document."""

TOMLError = tomllib.TOMLDecodeError
parse = tomllib.loads

_HEADER = re.compile(r"\s*(\[[^\[\]=]*\])\s*(#.*)?$")
_KEY = re.compile(r"\s*([^=#\[\]]+?)\s*=")
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


def headers(text: str) -> list[tuple[int, Path_]]:
    """Return every table's header: index of its line, and the table's path."""
    return [(index, path) for index, path, is_header in _lines(text) if is_header]


def places(text: str) -> dict[Path_, int]:
    """Return the index of the line that first says something of each path."""
    found: dict[Path_, int] = {}
    table: Path_ = ()
    for index, path, is_header in _lines(text):
        if is_header:
            table = path
        whole = path if is_header else (*table, *path)
        for count in range(1, len(whole) + 1):
            found.setdefault(whole[:count], index)
    return found


def taken_apart(error: Exception) -> tuple[str, int, int]:
    """Return message, line and column (from 1, or 0) of what the parser raised."""
    said = str(error)
    found = _AT.search(said)
    line, column = (int(one or 0) for one in found.groups()) if found else (0, 0)
    message = _AT.sub("", said)
    return message[:1].lower() + message[1:], line, column


def _lines(text: str) -> Iterator[tuple[int, Path_, bool]]:
    for index, line in enumerate(text.splitlines()):
        if found := _HEADER.match(line):
            if path := _path(found[1]):
                yield index, path, True
        elif (found := _KEY.match(line)) and (path := _path(f"{found[1]} = 0")):
            yield index, path, False


def _path(fragment: str) -> Path_:
    try:
        inner: Any = parse(fragment)
    except TOMLError:
        return ()
    path: list[str] = []
    while isinstance(inner, dict) and inner:
        ((key, inner),) = inner.items()
        path.append(key)
    return tuple(path)
