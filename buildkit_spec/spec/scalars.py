"""Plain values: text, lists, mappings, switches. Whatever else comes is refused with a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from buildkit_spec.spec.frozen import FrozenDict
from buildkit_spec.spec.problems import Problems, Refusal, key_text

_T = TypeVar("_T")
_MAX_PATH = 4000
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Unquoted:
    """A YAML scalar that YAML does not read as text, kept as it was written.

    Attributes:
        text: The source text, such as ``3.10``.
        kind: What YAML takes it for, such as ``a number``.
        is_true: Its value, when it is a boolean.
        is_lenient: Whether it may stand for its text: on a command line nobody quotes.
    """

    text: str
    kind: str
    is_true: bool = False
    is_lenient: bool = False


def kind_of(value: object) -> str:
    """Return what *value* is, in words of a YAML file."""
    if isinstance(value, Unquoted):
        return value.kind
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "nothing"),
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "text"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
    )
    return next((word for type_, word in kinds if isinstance(value, type_)), type(value).__name__)


def any_text(value: object) -> str:
    """Return *value* if it is text that can be written as UTF-8; it may be empty.

    Raises:
        Refusal: It is not.
    """
    if isinstance(value, Unquoted) and value.is_lenient:
        value = value.text
    if not isinstance(value, str):
        shown = value.text if isinstance(value, Unquoted) else value
        has_text = isinstance(shown, (str, bool, int, float))
        raise Refusal(
            f"is {kind_of(value)}, not text", f'quote it: "{shown}"' if has_text else "write text"
        )
    plain = str.__str__(value)
    if not plain.isprintable():
        _refuse_unwritable(plain)
    return plain


def text(value: object) -> str:
    """Return text that is not empty.

    Raises:
        Refusal: It is empty, or not text.
    """
    plain = any_text(value)
    if not plain.strip():
        raise Refusal("is empty", "leave it out, or write what it is to be")
    return plain


def _refuse_unwritable(plain: str) -> None:
    if "\0" in plain:
        raise Refusal("holds a NUL character")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise Refusal("holds half of a surrogate pair, which is not a character") from None


def line(value: object) -> str:
    """Return text of one line, without blanks around it.

    Raises:
        Refusal: It is not text, or has line breaks or other control characters.
    """
    plain = text(value).strip()
    if any(ord(character) < 32 or ord(character) == 127 for character in plain):
        raise Refusal("holds a line break or another control character", "write it in one line")
    return plain


def path(value: object) -> str:
    """Return a path as text; ``pathlib`` objects are welcome.

    Raises:
        Refusal: It is not a path.
    """
    written = line(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if len(written) > _MAX_PATH or any(
        len(part.encode()) > _MAX_NAME for part in written.split("/")
    ):
        raise Refusal("is longer than a path can be")
    return written


def list_of(item: Callable[[object], _T]) -> Callable[[object], tuple[_T, ...]]:
    """Return a check of a list whose items *item* checks; all problems at once."""

    def check(value: object) -> tuple[_T, ...]:
        if isinstance(value, (str, Unquoted, os.PathLike)):
            shown = value.text if isinstance(value, Unquoted) else str(value)
            raise Refusal(
                f"is {kind_of(value)}, not a list: it would be read letter by letter",
                f'write ["{shown}"]',
            )
        if not isinstance(value, (list, tuple)):
            raise Refusal(f"is {kind_of(value)}, not a list", "write a list: [one, two]")
        problems, items = Problems(), []
        for index, one in enumerate(value):
            with problems.under(f"[{index}]"):
                items.append(item(one))
        problems.refuse()
        return tuple(items)

    return check


def mapping_of(
    key: Callable[[object], str], item: Callable[[object], _T]
) -> Callable[[object], FrozenDict[str, _T]]:
    """Return a check of a mapping whose keys and values *key* and *item* check."""

    def check(value: object) -> FrozenDict[str, _T]:
        if not isinstance(value, Mapping):
            raise Refusal(f"is {kind_of(value)}, not a mapping", "write {key: value}")
        problems, items = Problems(), {}
        for name, one in value.items():
            with problems.under(key_text(name)):
                checked = key(name)
                items[checked] = item(one)
        problems.refuse()
        return FrozenDict(items)

    return check


def switch(value: object) -> bool:
    """Return a boolean.

    Raises:
        Refusal: It is something else, also text that looks like one.
    """
    if isinstance(value, Unquoted) and value.kind == "a boolean":
        return value.is_true
    if not isinstance(value, bool):
        raise Refusal(f"is {kind_of(value)}, not a boolean", "write true or false")
    return value


def choice(*words: str) -> Callable[[object], str]:
    """Return a check of text that is one of *words*."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Refusal("is none of the choices", f"one of: {', '.join(words)}")
        return str.__str__(value)

    return check
