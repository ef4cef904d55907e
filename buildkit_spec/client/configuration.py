"""What the user, and the project, say about builders in files.

The user's file is ``~/.config/buildkit-spec/config.toml`` (``XDG_CONFIG_HOME`` is honoured)::

    builder = "lab"                       # the one to use
    flyte_default = true                  # flytekit's specs that name no builder are ours

    [builders.lab]
    address = ["tcp://one:1234", "tcp://two:1234"]
    tls = "~/certs/lab"                   # or {ca = "…", cert = "…", key = "…", server_name = "…"},
                                          # or {directory = "…", server_name = "…"}
    platform = "linux/arm64"
    insecure = false

The project's ``pyproject.toml`` may choose, and no more: what is checked out says neither which
certificates to show nor that none are needed::

    [tool.buildkit-spec]
    builder = "lab"                       # or address = "…"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildkit_spec.client import toml_text
from buildkit_spec.client.address import Address
from buildkit_spec.client.named_builder import NamedBuilder, check_name, decode, one_or_more
from buildkit_spec.errors import (
    InvalidValueError,
    Problem,
    SpecError,
    SpecSyntaxError,
    SpecValidationError,
)
from buildkit_spec.spec.problems import Problems, Refusal, known_fields
from buildkit_spec.spec.scalars import kind_of, line, switch
from buildkit_spec.values.user import home_directory

_TOOL = ("tool", "buildkit-spec")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The user's file.

    Attributes:
        path: Where it is, or would be.
        builders: By name, in the file's order.
        current: Name of the one to use; empty when none is chosen.
        text: The file as it stands; empty when there is none.
        is_flyte_default: Whether we build flytekit's specs that name no builder.
    """

    path: Path
    builders: Mapping[str, NamedBuilder] = field(default_factory=dict)
    current: str = ""
    text: str = ""
    is_flyte_default: bool = False

    def named(self, name: str) -> NamedBuilder:
        """Return the builder of a name.

        Raises:
            InvalidValueError: There is none.
        """
        if name in self.builders:
            return self.builders[name]
        from difflib import get_close_matches

        close = get_close_matches(name, self.builders, n=1)
        rule = f"did you mean {close[0]}?" if close else f"not in {self.path}"
        raise InvalidValueError(
            name, f"no builder has this name; {rule}", remedy="buildkit-spec builders ls"
        )


@dataclass(frozen=True, slots=True)
class ProjectChoice:
    """What a project says.

    Attributes:
        path: Its ``pyproject.toml``.
        builder: Name of a builder of the user's; or empty.
        addresses: Of a daemon; or empty.
    """

    path: Path
    builder: str = ""
    addresses: tuple[Address, ...] = ()


def user_file(env: Mapping[str, str]) -> Path:
    """Return where the user's file is, or would be."""
    configured = env.get("XDG_CONFIG_HOME", "")
    # Source: XDG base directory specification: a relative path is to be ignored.
    base = Path(configured) if configured.startswith("/") else home_directory(env) / ".config"
    return base / "buildkit-spec" / "config.toml"


def load_configuration(env: Mapping[str, str]) -> Configuration:
    """Read the user's file.

    Raises:
        SpecError: It cannot be read, or has problems: all of them, each with its line.
    """
    file = user_file(env)
    text = _text(file)
    return Configuration(file) if text is None else parse_configuration(file, text)


def parse_configuration(file: Path, text: str) -> Configuration:
    """Return what a user's file says.

    Args:
        file: Where it stands; relative paths in it begin in its folder.
        text: What is in it.

    Raises:
        SpecError: It has problems: all of them, each with its line.
    """
    builders: dict[str, NamedBuilder] = {}

    def check(document: Mapping[str, Any]) -> tuple[str, bool]:
        given, unknown = known_fields(document, ("builder", "builders", "flyte_default"))
        problems, current, is_default = Problems(unknown), "", False
        tables = given.get("builders", {})
        if not isinstance(tables, Mapping):
            problems.append(Problem("builders", f"is {kind_of(tables)}, not a table"))
            tables = {}
        for name, entry in tables.items():
            with problems.under(f"builders.{name}"):
                builders[name] = decode(name, entry, file.parent)
        if "builder" in given:
            with problems.under("builder"):
                current = _name(given["builder"])
                if current not in tables:
                    raise Refusal(f"there is no [builders.{current}]", "buildkit-spec builders ls")
        with problems.under("flyte_default"):
            is_default = switch(given.get("flyte_default", False))
        problems.refuse()
        return current, is_default

    current, is_default = _checked(file, text, (), check)
    return Configuration(file, builders, current, text, is_default)


def load_project(folder: Path) -> ProjectChoice | None:
    """Read what the project of a folder says: the folder's, or that of its git repository's top.

    Raises:
        SpecError: Its section has problems: all of them, each with its line.
    """
    for one in _project_folders(folder):
        file = one / "pyproject.toml"
        text = _text(file)
        if text is not None and f"{_TOOL[1]}" in text and (choice := _project(file, text)):
            return choice
    return None


def _project(file: Path, text: str) -> ProjectChoice | None:
    def check(document: Mapping[str, Any]) -> ProjectChoice | None:
        section: Any = document
        for key in _TOOL:
            section = section.get(key, {}) if isinstance(section, Mapping) else {}
        if not isinstance(section, Mapping):
            raise Refusal(f"is {kind_of(section)}, not a table")
        given, unknown = known_fields(section, ("address", "builder"))
        problems, builder, addresses = Problems(unknown), "", tuple[Address, ...]()
        if len(given) > 1:
            problems.append(Problem("builder", "and address: only one can be used", "leave one"))
        with problems.under("address"):
            if "address" in given:
                addresses = one_or_more(given["address"], Address.parse)
        with problems.under("builder"):
            if "builder" in given:
                builder = _name(given["builder"])
        problems.refuse()
        return ProjectChoice(file, builder, addresses) if given else None

    choice: ProjectChoice | None = _checked(file, text, _TOOL, check)
    return choice


def _project_folders(folder: Path) -> list[Path]:
    folder = folder.absolute()
    within = [folder, *folder.parents]
    top = next((one for one in within if (one / ".git").exists()), folder)
    return within[: within.index(top) + 1]


def _checked(file: Path, text: str, prefix: tuple[str, ...], check: Callable[[Any], Any]) -> Any:
    try:
        return check(toml_text.parse(text))
    except toml_text.TOMLError as error:
        message, at, column = toml_text.taken_apart(error)
        raise SpecSyntaxError(
            f"is no TOML: {message}",
            source=str(file),
            line=at,
            column=column,
            remedy=f"correct it: {file}",
        ) from error
    except Refusal as refusal:
        problems = [_placed(problem, text, prefix) for problem in refusal.problems]
        raise SpecValidationError(problems, source=str(file)) from refusal


def _placed(problem: Problem, text: str, prefix: tuple[str, ...]) -> Problem:
    lines = toml_text.places(text)
    path = (*prefix, *problem.field.partition("[")[0].split("."))
    while path and path not in lines:
        path = path[:-1]
    at = lines.get(path, 0)
    return Problem(problem.field, problem.message, problem.remedy, at + 1, 1)


def _name(value: object) -> str:
    try:
        return check_name(line(value))
    except InvalidValueError as error:
        raise Refusal(f"{error.value!r}: {error.rule}") from error


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecError(f"{file} cannot be read: {(why or str(error)).lower()}") from error
