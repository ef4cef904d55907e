"""From a value that breaks a rule to a problem that says where, what, and what to write instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from buildkit_spec.errors import Problem
from buildkit_spec.spec.logins import hidden_logins

UNKNOWN_FIELD = "unknown field"
"""How the message about a field that does not exist begins."""

_MEANT = {
    "apt": "apt_packages",
    "base": "base_image",
    "channels": "conda_channels",
    "cmd": "entrypoint",
    "conda": "conda_packages",
    "dependencies": "packages",
    "environment": "env",
    "extra_index_url": "pip_extra_index_url",
    "from": "base_image",
    "image": "base_image",
    "index_url": "pip_index",
    "labels": "builder_options: {labels: …}",
    "network": "builder_options: {network: …}",
    "pip": "packages",
    "pip_index_url": "pip_index",
    "pip_packages": "packages",
    "platforms": "platform",
    "python": "python_version",
    "repository": "name",
    "run": "commands",
    "secrets": "builder_options: {secrets: …}",
    "source": "source_root",
    "ssh": "builder_options: {ssh: true}",
    "tag": "tag_format",
    "user": "builder_options: {user: …}",
    "workdir": "builder_options: {workdir: …}",
}
"""What people write, and what it is called here."""


class Refusal(ValueError):
    """A value breaks its rules. It stays inside this room and becomes problems of a field.

    Attributes:
        problems: All of them; their fields are paths relative to the value.
    """

    def __init__(
        self, message: str = "", remedy: str = "", *, problems: Iterable[Problem] = ()
    ) -> None:
        super().__init__(message)
        own = Problem("", hidden_logins(message), hidden_logins(remedy))
        self.problems = tuple(problems) or (own,)


class Problems(list[Problem]):
    """Problems as they are found."""

    @contextmanager
    def under(self, path: str) -> Iterator[None]:
        """Take what the block refuses as problems of *path*, and go on."""
        try:
            yield
        except Refusal as refusal:
            self.extend(moved(refusal.problems, path))

    def refuse(self) -> None:
        """Refuse, if anything was found.

        Raises:
            Refusal: With every problem found.
        """
        if self:
            raise Refusal(problems=self)


def join(parent: str, child: str) -> str:
    """Return the path of *child* (a key or ``[index]``) in *parent*."""
    return f"{parent}{child}" if not parent or not child or child[0] == "[" else f"{parent}.{child}"


def moved(problems: Iterable[Problem], path: str) -> list[Problem]:
    """Return *problems* with their fields seen from where *path* begins."""
    return [replace(problem, field=join(path, problem.field)) for problem in problems]


def key_text(key: object) -> str:
    """Return a mapping's key as part of a path, in characters that can be printed."""
    return str(key).encode(errors="backslashreplace").decode()


def known_fields(
    data: Mapping[Any, object], known: Collection[str]
) -> tuple[dict[str, object], list[Problem]]:
    """Return the fields of *data* that are given and exist, and the problems of those that do not.

    Args:
        data: Fields by name; None stands for one that is not given.
        known: The fields there are.
    """
    given = {name: value for name, value in data.items() if value is not None and name in known}
    return given, [unknown_field(name, known) for name in data if name not in known]


def unknown_field(name: object, known: Collection[str]) -> Problem:
    """Return the problem of a field that does not exist, with the one that was meant if any.

    Args:
        name: The key as it was written.
        known: The fields there are.
    """
    from difflib import get_close_matches  # only wrong specs pay for it

    text = key_text(name)
    lower = text.strip().lower().replace("-", "_")
    close = get_close_matches(lower, known, n=1, cutoff=0.7)
    candidates = [lower, _MEANT.get(lower, ""), *close]
    meant = next((one for one in candidates if one.partition(":")[0] in known), "")
    remedy = f"did you mean {meant}?" if meant else f"one of: {', '.join(sorted(known))}"
    return Problem(text, UNKNOWN_FIELD, remedy)
