"""``buildkit-spec info``."""

from __future__ import annotations

import os

import click

from buildkit_spec.cli.options import address_option


@click.command()
@address_option
def command(address: str | None) -> None:
    """Show the daemon: address and why that one, version, workers, platforms."""
    from buildkit_spec.client import Client, find_address

    found, why = find_address(address, os.environ)
    with Client(found) as client:
        daemon = client.info()
        click.echo(f"address:   {found} ({why})")
        click.echo(f"daemon:    {daemon.package} {daemon.version}".rstrip())
        for worker in client.workers():
            click.echo(f"worker:    {worker.id}")
            click.echo(f"  platforms: {', '.join(map(str, worker.platforms))}")
            for key, value in sorted(worker.labels.items()):
                click.echo(f"  {key}: {value}")
