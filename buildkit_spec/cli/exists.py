"""``buildkit-spec exists``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildkit_spec.cli.options import insecure_option, read_specs, spec_arguments

if TYPE_CHECKING:
    from buildkit_spec.errors import RegistryError
    from buildkit_spec.registry import Registry


@click.command(
    epilog="""\b
Examples:
  buildkit-spec exists image.yaml && echo nothing to do
  buildkit-spec exists ghcr.io/me/image:1.0

\b
Exit codes: 0 all are there, 1 one is surely absent or it cannot be told, 2 wrong input."""
)
@spec_arguments
@insecure_option
def command(
    files: tuple[str, ...], overrides: tuple[str, ...], insecure_registries: tuple[str, ...]
) -> None:
    """Tell whether the images of FILE are in their registry; FILE may be an image name too."""
    from buildkit_spec.builder import BuildkitBuilder
    from buildkit_spec.values import Reference

    builder = BuildkitBuilder(insecure_registries=insecure_registries)
    references: dict[Reference, Registry] = {}
    for file in files:
        if file.partition(":")[0].endswith((".yaml", ".yml", ".json", ".py")):
            for _, spec in read_specs((file,), overrides):
                references[Reference.parse(spec.image_name())] = builder.registry_for(spec)
        else:
            references[Reference.parse(file)] = builder.registry
    answers: dict[Reference, bool | RegistryError] = dict.fromkeys(references, False)
    for registry in dict.fromkeys(references.values()):
        answers |= registry.exists_many(one for one in references if references[one] is registry)
    code = 0
    for reference, answer in answers.items():
        if isinstance(answer, Exception):
            click.echo(f"error: {answer}", err=True)
        else:
            click.echo(f"{reference} {'is there' if answer else 'is not there'}")
        if answer is not True:
            code = 1
    raise SystemExit(code)
