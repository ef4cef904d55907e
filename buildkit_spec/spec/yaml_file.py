"""A spec from a YAML file: every problem at once, each with line and column."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from buildkit_spec.errors import SpecError, SpecSyntaxError, SpecValidationError
from buildkit_spec.spec.materials import material_problems
from buildkit_spec.spec.model import ImageSpec
from buildkit_spec.spec.origin import Origin, current_directory
from buildkit_spec.spec.places import is_there
from buildkit_spec.spec.scalars import kind_of
from buildkit_spec.spec.yaml_nodes import read_document

SUFFIXES = (".yaml", ".yml", ".json")
_NO_SOURCE = "<yaml>"


def read_spec(source: str | os.PathLike[str]) -> ImageSpec:
    """Read a spec from a YAML file or YAML text.

    Args:
        source: A path; or text, if it has a line break or names no file.

    Raises:
        SpecSyntaxError: It is no YAML, or no mapping.
        SpecValidationError: The spec is wrong, or names files that are missing: all problems.
        SpecError: The file cannot be read.
    """
    if isinstance(source, str) and not _is_path(source):
        return parse_spec(source, _NO_SOURCE, current_directory())
    path = Path(source)
    return parse_spec(read_text(path), os.fspath(source), (current_directory() / path).parent)


def parse_spec(text: str, source: str, root: Path) -> ImageSpec:
    """Read a spec from YAML text.

    Args:
        text: The YAML.
        source: Its file as the user wrote it, for errors.
        root: Directory that relative paths start from, absolute.

    Raises:
        SpecError: See `read_spec`.
    """
    document = read_document(text, source=source)
    data = document.data
    if not isinstance(data, Mapping):
        what = "is empty" if data is None else f"is {kind_of(data)}, not a mapping"
        raise SpecSyntaxError(
            f"the spec {what}", source=source, line=1, column=1, remedy="write name: my-image"
        )
    origin = Origin(root, modules=())
    spec, problems = ImageSpec.parse(data, origin)
    problems = [*document.problems, *problems, *material_problems(spec)]
    if problems:
        located = {document.located(problem): None for problem in problems}
        raise SpecValidationError(
            sorted(located, key=lambda problem: (problem.line, problem.column)), source=source
        )
    return spec


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        SpecError: It cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecSyntaxError("not UTF-8 text", source=str(path)) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError(f"cannot read {path}: {reason}", source=str(path)) from error
    except ValueError as error:  # a NUL in the path
        raise SpecError(f"no file name: {str(path)!r}", source=str(path)) from error


def _is_path(source: str) -> bool:
    if "\n" in source or "\0" in source or len(source) > 4096:
        return False
    return source.endswith(SUFFIXES) or is_there(Path(source))
