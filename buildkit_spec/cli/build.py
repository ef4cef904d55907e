"""``buildkit-spec build``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from buildkit_spec.cli.group import exit_code
from buildkit_spec.cli.options import (
    Daemon,
    daemon_options,
    embedded_option,
    insecure_option,
    read_specs,
    spec_arguments,
)
from buildkit_spec.cli.outputs import Outputs, output_options
from buildkit_spec.cli.progress import LazyDisplay

if TYPE_CHECKING:
    from buildkit_spec.progress.display import Mode
    from buildkit_spec.reach import Embedded


@click.command(
    epilog="""\b
Examples:
  buildkit-spec build image.yaml
  buildkit-spec build pipeline.py                 every ImageSpec of the file
  buildkit-spec build pipeline.py:image --no-push
  buildkit-spec build image.yaml --oci image.tar --metadata-file image.json
  buildkit-spec build image.yaml --output type=docker | docker load
  buildkit-spec build image.yaml --set registry=localhost:5000 --progress plain"""
)
@spec_arguments
@click.option("--push/--no-push", default=None, help="Push; by default when a registry is named.")
@output_options
@click.option("--locked", is_flag=True, help="Install what the locks say; resolve nothing.")
@click.option("--force", is_flag=True, help="Build and push even when the image is there.")
@daemon_options
@embedded_option
@insecure_option
@click.option(
    "--progress",
    type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
    default="auto",
    show_default=True,
    help="How to show what happens, on standard error.",
)
def command(
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    push: bool | None,
    outputs: Outputs,
    locked: bool,
    force: bool,
    daemon: Daemon,
    embedded: Embedded | None,
    insecure_registries: tuple[str, ...],
    progress: Mode,
) -> None:
    """Build the images of FILE and push them, unless their registry has them already.

    FILE is a YAML spec, a Python file with ImageSpecs, or one of them as file.py:name. The name of
    each image, pinned to its digest, goes to standard output; to standard error when an archive
    goes there.
    """
    from buildkit_spec.cli.summary import print_failure, print_result
    from buildkit_spec.engine import DEFAULT_BUILDER, FLYTEKIT_BUILDERS, ImageBuildEngine

    found = read_specs(files, overrides)
    if locked:
        found = [(name, spec.locked()) for name, spec in found]
    outputs.refuse_for(len(found))
    for name, spec in found:
        if spec.builder in FLYTEKIT_BUILDERS:
            click.echo(
                f"{name}: builder {spec.builder} is flytekit's; BuildKit builds it", err=True
            )
    builder = daemon.make_builder(insecure_registries, embedded)
    ImageBuildEngine.register(DEFAULT_BUILDER, builder, priority=1)
    stream = sys.stderr
    with LazyDisplay(progress, stream) as display:
        outcomes = ImageBuildEngine.build_many(
            [spec for _, spec in found],
            push=push,
            force=force,
            on_status=[display.callback(name if len(found) > 1 else "") for name, _ in found],
            outputs=outputs.wanted,
        )
    code = 0
    for (name, _), outcome in zip(found, outcomes, strict=True):
        if isinstance(outcome, Exception):
            print_failure(name, outcome, stream)
            code = code or exit_code(outcome)
        else:
            print_result(outcome, stream, is_quiet=progress == "quiet")
            click.echo(str(outcome.reference), err=outputs.is_stdout_taken)
    outputs.tell([(*one, outcome) for one, outcome in zip(found, outcomes, strict=True)], builder)
    raise SystemExit(code)
