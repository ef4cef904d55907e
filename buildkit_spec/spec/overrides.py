"""``--set key=value``: fields of a spec set from a command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildkit_spec.errors import SpecError, SpecSyntaxError, SpecValidationError
from buildkit_spec.spec.dump import plain
from buildkit_spec.spec.logins import hidden_logins
from buildkit_spec.spec.model import ImageSpec
from buildkit_spec.spec.yaml_nodes import read_document

_OPTION = "--set"
_MAPS = frozenset({"env", "labels", "secrets"})
"""Mappings whose keys may hold dots: ``builder_options.labels.org.example.team``."""


def apply_overrides(spec: ImageSpec, overrides: Iterable[str]) -> ImageSpec:
    """Return the spec with other values.

    Args:
        spec: The spec.
        overrides: ``key=value`` to set, ``key+=value`` to append to a list or a mapping. A key may
            have parts: ``env.MODE``, ``builder_options.user``, ``base_image.packages``. A value is
            YAML, except that what looks like a number or a boolean is text where text belongs;
            ``null`` takes a field out.

    Raises:
        SpecError: An override has another form.
        SpecValidationError: The spec is wrong with them: all problems at once.
    """
    overrides = list(overrides)
    if not overrides:
        return spec
    data = spec.given
    for override in overrides:
        key, is_added, value = _split(override)
        _apply(data, _path(key), value, override if is_added else "")
    try:
        return ImageSpec.make(data, spec.origin)
    except SpecValidationError as error:
        raise SpecValidationError(error.problems, source=_OPTION) from error


def _split(override: str) -> tuple[str, bool, object]:
    key, separator, text = override.partition("=")
    is_added = key.endswith("+")
    key = key.removesuffix("+").strip()
    if not separator or not key:
        raise SpecError(
            f"no key=value: {hidden_logins(override)!r}",
            source=_OPTION,
            remedy="--set registry=localhost:5000",
        )
    try:
        document = read_document(text, source=f"{_OPTION} {key}", is_lenient=True)
    except SpecSyntaxError as error:
        raise SpecError(
            f"{_OPTION} {key}: {error.message}", source=_OPTION, remedy="quote the value twice"
        ) from error
    if document.problems:
        raise SpecValidationError(document.problems, source=f"{_OPTION} {key}")
    is_empty = document.data is None and not text.strip()
    return key, is_added, "" if is_empty else document.data


def _path(key: str) -> list[str]:
    parts: list[str] = []
    rest = key
    while rest:
        part, _, rest = rest.partition(".")
        parts.append(part)
        if part in _MAPS and rest:
            parts.append(rest)
            break
    return parts


def _apply(data: dict[str, Any], path: list[str], value: object, added_by: str) -> None:
    for part in path[:-1]:
        inner = plain(data.get(part)) if data.get(part) is not None else {}
        if not isinstance(inner, dict):
            raise SpecError(f"{part} has no parts: {'.'.join(path)}", source=_OPTION)
        data[part] = inner
        data = inner
    last = path[-1]
    if not added_by:
        data[last] = value
        return
    current = plain(data.get(last))
    if isinstance(current, dict) or (current is None and isinstance(value, dict)):
        if not isinstance(value, dict):
            raise SpecError(
                f"{last} takes {{key: value}}: {hidden_logins(added_by)!r}", source=_OPTION
            )
        data[last] = {**(current or {}), **value}
    elif current is None or isinstance(current, list):
        data[last] = [*(current or []), *(value if isinstance(value, list) else [value])]
    else:
        raise SpecError(
            f"{last} is no list to append to: {hidden_logins(added_by)!r}", source=_OPTION
        )
