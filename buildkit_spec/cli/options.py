"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from buildkit_spec.spec import ImageSpec

_F = TypeVar("_F", bound=Callable[..., Any])

address_option = click.option(
    "--addr",
    "address",
    metavar="ADDRESS",
    help="The daemon: unix:///path, tcp://host:port, docker://, … [env: BUILDKIT_HOST]",
)

insecure_option = click.option(
    "--insecure-registry",
    "insecure_registries",
    metavar="HOST[:PORT]",
    multiple=True,
    help="A registry that may be spoken to over plain http; loopback always may.",
)


def spec_arguments(function: _F) -> _F:
    """Add the files to read specs from and ``--set``."""
    function = click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a field of every spec: registry=ghcr.io/me, env.MODE=test, packages+=pandas.",
    )(function)
    return click.argument("files", metavar="FILE...", nargs=-1, required=True)(function)


def read_specs(files: tuple[str, ...], overrides: tuple[str, ...]) -> list[tuple[str, ImageSpec]]:
    """Return every spec of every file with a name for people.

    Args:
        files: YAML files, Python files, or ``file.py:name``.
        overrides: ``key=value`` texts.

    Raises:
        SpecError: A file cannot be read, or a spec is wrong; all problems of a file at once.
    """
    from buildkit_spec.spec import apply_overrides, load_specs

    found = [pair for file in files for pair in load_specs(file)]
    return [(name, apply_overrides(spec, overrides)) for name, spec in found]
