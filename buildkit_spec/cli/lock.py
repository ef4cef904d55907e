"""``buildkit-spec lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit_spec.cli.files import replace_text
from buildkit_spec.cli.options import (
    Daemon,
    daemon_options,
    embedded_option,
    insecure_option,
    read_specs,
    spec_arguments,
)

if TYPE_CHECKING:
    from buildkit_spec.reach import Embedded


@click.command(
    epilog="""\b
Examples:
  buildkit-spec lock image.yaml                   writes pylock.image.toml beside it
  buildkit-spec lock pipeline.py:image            writes pylock.image.toml
  buildkit-spec lock image.yaml --check           exit code 2 when it is not up to date
  buildkit-spec build image.yaml --locked"""
)
@spec_arguments
@click.option("--check", "is_check", is_flag=True, help="Write nothing: fail when a lock is stale.")
@click.option("--upgrade", is_flag=True, help="Take the newest versions of everything.")
@daemon_options
@embedded_option
@insecure_option
def command(
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    is_check: bool,
    upgrade: bool,
    daemon: Daemon,
    embedded: Embedded | None,
    insecure_registries: tuple[str, ...],
) -> None:
    """Resolve the Python packages of FILE and write them down, with versions and hashes.

    They are resolved in the image, for its interpreter and platforms. As long as the spec asks for
    the same, every build installs what the lock says; `build --locked` refuses anything else.
    """
    from buildkit_spec.plan import lock_file
    from buildkit_spec.plan.checks import refuse

    builder = daemon.make_builder(insecure_registries, embedded)
    for _, spec in read_specs(files, overrides):
        path = spec.origin.lock
        if is_check:
            refuse(lock_file.problems(spec))
        elif path is not None:
            replace_text(path, builder.lock(spec, upgrade=upgrade))
            click.echo(str(path))
