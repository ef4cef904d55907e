"""Changes to the user's file of builders: its own text stays, comments included."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import tomli_w

from buildkit_spec.client import toml_text
from buildkit_spec.client.configuration import (
    Configuration,
    load_configuration,
    parse_configuration,
    user_file,
)
from buildkit_spec.client.named_builder import decode
from buildkit_spec.errors import InvalidValueError, SpecError, SpecValidationError
from buildkit_spec.spec.problems import Refusal

_VALUE = re.compile(r"""(=\s*)("[^"]*"|'[^']*')""")


def add_builder(
    env: Mapping[str, str],
    name: str,
    entry: Mapping[str, object],
    *,
    is_replaced: bool = False,
    is_used: bool = False,
) -> Configuration:
    """Write a builder into the user's file.

    Args:
        env: The environment, which says where the file is.
        name: The builder's.
        entry: Its table.
        is_replaced: Whether one of this name may be there.
        is_used: Whether it is to be the one in use.

    Returns:
        The file as it is now.

    Raises:
        InvalidValueError: The name is taken.
        SpecError: Name, entry or file have problems, or the file cannot be written.
    """
    try:
        decode(name, entry, user_file(env).parent)
    except Refusal as refusal:
        raise SpecValidationError(refusal.problems, source=f"builder {name}") from refusal

    def edit(before: Configuration) -> str:
        text = before.text
        if name in before.builders:
            if not is_replaced:
                raise InvalidValueError(
                    name,
                    "there is a builder of this name",
                    remedy=f"buildkit-spec builders add --replace {name} …",
                )
            text = _without(text, name)
        text += "\n" * (bool(text) + (bool(text) and not text.endswith("\n")))
        text += tomli_w.dumps({"builders": {name: entry}})
        return _using(text, name) if is_used else text

    def is_done(after: Configuration) -> bool:
        return name in after.builders and (after.current == name or not is_used)

    return _edited(env, name, edit, is_done)


def remove_builder(env: Mapping[str, str], name: str) -> Configuration:
    """Take a builder out of the user's file; when it is in use, none is afterwards.

    Raises:
        InvalidValueError: There is none of this name.
        SpecError: The file has problems, or cannot be written.
    """

    def edit(before: Configuration) -> str:
        before.named(name)
        text = _without(before.text, name)
        return _using(text, "") if before.current == name else text

    return _edited(env, name, edit, lambda after: name not in after.builders)


def use_builder(env: Mapping[str, str], name: str) -> Configuration:
    """Make a builder the one in use; an empty name makes it none.

    Raises:
        InvalidValueError: There is none of this name.
        SpecError: The file has problems, or cannot be written.
    """

    def edit(before: Configuration) -> str:
        if name:
            before.named(name)
        return _using(before.text, name)

    return _edited(env, name, edit, lambda after: after.current == name)


def _without(text: str, name: str) -> str:
    """Return the text without a builder's tables; comments at their end stay."""
    lines = text.splitlines(keepends=True)
    marks = toml_text.headers(text)
    ends = [index for index, _ in marks[1:]] + [len(lines)]
    for (begin, path), end in reversed(list(zip(marks, ends, strict=False))):
        if path[:2] != ("builders", name):
            continue
        while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
            end -= 1
        if end < len(lines) and not lines[end].strip():
            end += 1
        del lines[begin:end]
    return "".join(lines)


def _using(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    at = toml_text.places(text).get(("builder",))
    if at is not None and not name:
        del lines[at]
    elif at is not None:
        lines[at] = _VALUE.sub(rf'\g<1>"{name}"', lines[at], count=1)
    elif name:
        lines.insert(0, f'builder = "{name}"\n' + "\n" * bool(lines))
    return "".join(lines)


def _edited(
    env: Mapping[str, str],
    name: str,
    edit: Callable[[Configuration], str],
    is_done: Callable[[Configuration], bool],
) -> Configuration:
    file = user_file(env)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(file.parent):
            before = load_configuration(env)
            text = edit(before)
            after = parse_configuration(file, text)
            if not (is_done(after) and _is_as_meant(before, after, name)):
                raise SpecError(
                    f"{file} is written in a way that cannot be changed without harm",
                    source=str(file),
                    remedy="change it in an editor",
                )
            _write(file.resolve(), text)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SpecError(f"{file} cannot be written: {why}", source=str(file)) from error
    return after


def _is_as_meant(before: Configuration, after: Configuration, name: str) -> bool:
    """Whether an edit changed nothing but one builder, and which one is in use."""
    others = (before.builders.keys() | after.builders.keys()) - {name}
    return all(before.builders.get(one) == after.builders.get(one) for one in others)


def _write(file: Path, text: str) -> None:
    """Write a file at once: whoever reads it meanwhile finds the old one or the new one."""
    mode = 0o600
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(file.stat().st_mode)
    descriptor, scratch = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), mode)
        Path(scratch).replace(file)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time change what is in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
