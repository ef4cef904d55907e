"""``buildkit-spec plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
  buildkit-spec plan image.yaml
  buildkit-spec plan image.yaml --format json > plan.json
  buildkit-spec plan image.yaml --format dot | dot -Tsvg > plan.svg"""
)
@spec_arguments
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "dot"]),
    default="text",
    show_default=True,
    help="Readable text, JSON, or Graphviz.",
)
@daemon_options
@embedded_option
@insecure_option
def command(
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    form: str,
    daemon: Daemon,
    embedded: Embedded | None,
    insecure_registries: tuple[str, ...],
) -> None:
    """Show the graph that `build` would send, without building it.

    The daemon is asked for the base image's config and interpreter; nothing else is run.
    """
    from buildkit_spec.plan import show

    builder = daemon.make_builder(insecure_registries, embedded)
    for _, spec in read_specs(files, overrides):
        click.echo(show(spec.image_name(), builder.plan(spec), form))
