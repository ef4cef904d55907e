"""YAML text as plain data, with the place of everything in it.

Scalars that YAML does not take for text keep their source text (`Unquoted`): ``3.10`` stays
``3.10``. Nothing is ever constructed from a tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from buildkit_spec.errors import Problem, SpecSyntaxError
from buildkit_spec.spec.problems import UNKNOWN_FIELD, join
from buildkit_spec.spec.scalars import Unquoted

_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = {f"{_PREFIX}int", f"{_PREFIX}float"}
_TRUE = {"yes", "true", "on"}
_TEXTS = {f"{_PREFIX}str", f"{_PREFIX}value"}
_MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column, both from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """Data of a YAML document.

    Attributes:
        data: Mappings, lists, text, None and `Unquoted`.
        values: Where each value begins, by its path.
        keys: Where each key stands, by the path of its value.
        problems: Keys written twice, unknown tags, endless aliases.
    """

    data: object = None
    values: dict[str, Place] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def located(self, problem: Problem) -> Problem:
        """Return *problem* with line and column: its own, or those of what it is in."""
        if problem.line:
            return problem
        place = None
        if problem.message.startswith(UNKNOWN_FIELD):
            place = self.keys.get(problem.field)
        path = problem.field
        while place is None and path:
            place = self.values.get(path)
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        place = place or self.values.get("", Place(1, 1))
        return Problem(problem.field, problem.message, problem.remedy, place.line, place.column)


def read_document(text: str, *, source: str = "", is_lenient: bool = False) -> Document:
    """Read one YAML document.

    Args:
        text: The document.
        source: Its file, for errors.
        is_lenient: Whether numbers and the like may stand for their text.

    Raises:
        SpecSyntaxError: It is no YAML, more than one document, or far too large.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        reader = _Reader(is_lenient=is_lenient)
        reader.document.data = reader.read(node, "") if node is not None else None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        raise SpecSyntaxError(
            f"not YAML: the character {error.character!r} is not allowed",
            source=source,
            line=before.count("\n") + 1,
            column=len(before) - (before.rfind("\n") + 1) + 1,
        ) from error
    except (RecursionError, _TooLargeError) as error:
        raise SpecSyntaxError("too large or nested too deeply for a spec", source=source) from error
    return reader.document


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> SpecSyntaxError:
    mark = error.problem_mark or error.context_mark
    said = " ".join((error.problem or error.context or "cannot be read").split())
    remedy = ""
    if isinstance(error, yaml.composer.ComposerError) and "another document" in said:
        said, remedy = "more than one document", "one spec a file; write the others into their own"
    elif "\\t" in said:
        remedy = "indent with blanks"
    elif "mapping values are not allowed" in said:
        remedy = "quote the text with the colon, or put the key on a line of its own"
    return SpecSyntaxError(
        f"not YAML: {said}",
        source=source,
        line=mark.line + 1 if mark else 0,
        column=mark.column + 1 if mark else 0,
        remedy=remedy,
    )


class _TooLargeError(Exception):
    """Aliases make the document larger than any spec."""


class _Reader:
    def __init__(self, *, is_lenient: bool) -> None:
        self.document = Document()
        self._is_lenient = is_lenient
        self._count = 0
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node, path: str) -> object:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _TooLargeError
        place = _place(node)
        self.document.values[path] = place
        if any(node is one for one in self._open):
            self._note(path, "refers to itself", place)
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.read(one, f"{path}[{index}]") for index, one in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[object, object]:
        merged: dict[object, object] = {}
        own: dict[object, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_PREFIX}merge":
                value = self.read(value_node, path)
                for one in reversed(value) if isinstance(value, list) else [value]:
                    if not isinstance(one, Mapping):
                        self._note(path, "<< merges mappings only", _place(value_node))
                        continue
                    merged.update(one)
                self.document.values[path] = _place(node)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            below = join(path, key)
            if key in own:
                first = self.document.keys[below]
                self._note(
                    below, f"is written twice (first in line {first.line})", _place(key_node)
                )
                continue
            self.document.keys[below] = _place(key_node)
            own[key] = self.read(value_node, below)
        return {**merged, **own}

    def _key(self, node: yaml.Node, path: str) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._note(path, "has a key that is no text", _place(node))
            return None
        return str(node.value)

    def _scalar(self, node: yaml.Node, path: str) -> object:
        tag, text = node.tag, str(node.value)
        if tag in _TEXTS:
            return text
        if tag == f"{_PREFIX}null":
            return None
        if tag == f"{_PREFIX}bool":
            is_true = text.lower() in _TRUE
            return Unquoted(text, "a boolean", is_true, is_lenient=self._is_lenient)
        if tag in _NUMBERS:
            return Unquoted(text, "a number", is_lenient=self._is_lenient)
        if tag == f"{_PREFIX}timestamp":
            return Unquoted(text, "a date", is_lenient=self._is_lenient)
        name = tag.removeprefix(_PREFIX)
        self._note(path, f"has the YAML tag {name!r}, which no spec knows", _place(node))
        return None

    def _note(self, path: str, message: str, place: Place) -> None:
        self.document.problems.append(Problem(path, message, line=place.line, column=place.column))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
