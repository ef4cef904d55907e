"""Specs from files: YAML, or the module-level `ImageSpec` objects of a Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from buildkit_spec.errors import SpecError, SpecSyntaxError, SpecValidationError
from buildkit_spec.spec.model import ImageSpec
from buildkit_spec.spec.modules import loaded_files, own_file
from buildkit_spec.spec.origin import current_directory
from buildkit_spec.spec.places import is_there
from buildkit_spec.spec.yaml_file import SUFFIXES, parse_spec, read_text


def load_specs(path: str | os.PathLike[str]) -> list[tuple[str, ImageSpec]]:
    """Return the specs of a file, each with a name for people.

    Args:
        path: A YAML file; a Python file, for every spec it holds at module level; or
            ``file.py:name`` for one of them. A Python file is run as an import would run it, with
            its folder on the path.

    Raises:
        SpecSyntaxError: The file is no YAML or no Python; with line and column.
        SpecValidationError: A spec is wrong: all its problems at once, with their lines.
        SpecError: The file cannot be read, fails when it is run, or holds no spec.
    """
    written = os.fspath(path)
    file, name = written, ""
    if ":" in written and not is_there(Path(written)):
        head, _, tail = written.rpartition(":")
        if head.endswith(".py"):
            file, name = head, tail
    absolute = current_directory() / file
    if file.endswith(SUFFIXES):
        spec = parse_spec(read_text(Path(file)), file, absolute.parent)
        return [(written, spec.with_lock(_lock_path(absolute, absolute.stem)))]
    if not file.endswith(".py"):
        raise SpecError(
            f"neither a YAML nor a Python file: {file}",
            source=file,
            remedy="its name must end with .yaml, .yml, .json or .py",
        )
    read_text(Path(file))
    found = _specs_of(file, absolute)
    if not name:
        return [(f"{file}:{variable}", spec) for variable, spec in found.items()]
    if name not in found:
        known = ", ".join(found)
        raise SpecError(f"no ImageSpec is called {name!r} in {file}", remedy=f"one of: {known}")
    return [(written, found[name])]


def _specs_of(file: str, absolute: Path) -> dict[str, ImageSpec]:
    with _imported(file, absolute) as module:
        found: dict[str, ImageSpec] = {}
        foreign = ""
        for variable, value in vars(module).items():
            if isinstance(value, ImageSpec):
                if not any(value is other for other in found.values()):
                    found[variable] = value
            elif type(value).__name__ == "ImageSpec":
                foreign = type(value).__module__.partition(".")[0]
        files = loaded_files()
        if found:
            return {
                variable: spec.with_modules(files).with_lock(_lock_path(absolute, variable))
                for variable, spec in found.items()
            }
    if foreign:
        raise SpecError(
            f"{file} holds no ImageSpec of buildkit_spec, only of {foreign}",
            source=file,
            remedy="from buildkit_spec import ImageSpec",
        )
    raise SpecError(
        f"{file} holds no ImageSpec",
        source=file,
        remedy="assign one at module level: image = ImageSpec(...)",
    )


def _lock_path(file: Path, name: str) -> Path:
    """Return where the lock of a spec stands: beside its file. Source: PEP 751, *File Name*."""
    return file.with_name(f"pylock.{name.replace('.', '-')}.toml")


@contextmanager
def _imported(file: str, absolute: Path) -> Iterator[ModuleType]:
    """Run a Python file as a module of a private name, and forget what it brought from its folder.

    Two pipelines may each have a ``utils.py`` beside them: the second must not get the first's.
    """
    name = f"_buildkit_spec_{hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]}"
    folder = str(absolute.parent)
    before = set(sys.modules)
    loader = SourceFileLoader(name, str(absolute))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, folder)
    try:
        _run(loader, file, absolute, module)
        yield module
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        for loaded in set(sys.modules) - before:
            own = own_file(sys.modules[loaded])
            if loaded == name or (own is not None and own.is_relative_to(os.path.realpath(folder))):
                del sys.modules[loaded]


def _run(loader: SourceFileLoader, file: str, absolute: Path, module: ModuleType) -> None:
    try:
        loader.exec_module(module)
    except SpecValidationError as error:
        line = _line_of(error, absolute)
        problems = [
            replace(problem, line=problem.line or line, column=problem.column or 1)
            for problem in error.problems
        ]
        raise SpecValidationError(problems, source=error.source or file) from error
    except SyntaxError as error:
        raise SpecSyntaxError(
            f"not Python: {error.msg}",
            source=file if error.filename == str(absolute) else str(error.filename),
            line=error.lineno or 0,
            column=error.offset or 0,
        ) from error
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        what = f"{type(error).__name__}: {said}" if said else type(error).__name__
        remedy = ""
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            remedy = f"install {package} here, or import it in the function that needs it"
        raise SpecError(
            f"{file}:{_line_of(error, absolute)}: {what}", source=file, remedy=remedy
        ) from error


def _line_of(error: BaseException, absolute: Path) -> int:
    """Return the last line of the file that had a part in *error*; 0 when none had."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(absolute)]
    return next((line for line in reversed(lines) if line), 0)
