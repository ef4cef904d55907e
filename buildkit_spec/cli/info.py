"""``buildkit-spec info``."""

from __future__ import annotations

import click

from buildkit_spec.cli.options import Daemon, daemon_options

_TELLING = ("mergeop", "diffop", "exec.secretenv")
"""Capabilities that change how a build is laid out."""


@click.command()
@daemon_options
def command(daemon: Daemon) -> None:
    """Show the daemon: address and why that one, version, workers, platforms, capabilities."""
    from buildkit_spec.client import BuildOutput, Capabilities, Gateway
    from buildkit_spec.values import Platform

    told: list[Capabilities] = []

    def ask(gateway: Gateway) -> BuildOutput:
        told.append(gateway.llb_caps)
        return BuildOutput({Platform("linux", "amd64"): None})

    endpoint = daemon.find()
    with endpoint.connect() as client:
        info = client.info()
        client.build(ask, is_internal=True)
        click.echo(f"address:   {client.address} ({endpoint.why})")
        # One before 0.11, as in Docker Engine 20.10, cannot be asked.
        version = f"{info.package} {info.version}".strip()
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
