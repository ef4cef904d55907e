"""``buildkit-spec info``."""

from __future__ import annotations

import os

import click

from buildkit_spec.cli.options import address_option

_TELLING = ("mergeop", "diffop", "exec.secretenv")
"""Capabilities that change how a build is laid out."""


@click.command()
@address_option
def command(address: str | None) -> None:
    """Show the daemon: address and why that one, version, workers, platforms, capabilities."""
    from buildkit_spec.client import BuildOutput, Capabilities, Client, Gateway, find_address
    from buildkit_spec.values import Platform

    told: list[Capabilities] = []

    def ask(gateway: Gateway) -> BuildOutput:
        told.append(gateway.llb_caps)
        return BuildOutput({Platform("linux", "amd64"): None})

    found, why = find_address(address, os.environ)
    with Client(found) as client:
        daemon = client.info()
        client.build(ask)
        click.echo(f"address:   {found} ({why})")
        # One before 0.11, as in Docker Engine 20.10, cannot be asked.
        version = f"{daemon.package} {daemon.version}".strip()
        click.echo(f"daemon:    {version or 'BuildKit that does not tell its version'}")
        pusher = "BuildKit" if client.has_image_exporter() else "the Docker Engine, through its API"
        click.echo(f"pushes:    {pusher}")
        for worker in client.workers():
            click.echo(f"worker:    {worker.id}")
            click.echo(f"  platforms: {', '.join(map(str, worker.platforms))}")
            for key, value in sorted(worker.labels.items()):
                click.echo(f"  {key}: {value}")
    for name in _TELLING:
        click.echo(f"{name + ':':16} {'yes' if told[0].supports(name) else 'no'}")
