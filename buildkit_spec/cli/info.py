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

    from buildkit_spec.progress.lines import one_line

    endpoint = daemon.find()
    with endpoint.connect() as client:
        info = client.info()
        client.build(ask, is_internal=True)
        click.echo(f"address:   {client.address} ({endpoint.why})")
        # One before 0.11, as in Docker Engine 20.10, cannot be asked.
        version = one_line(f"{info.package} {info.version}")
        click.echo(f"daemon:    {version or 'BuildKit that does not tell its version'}")
        pusher = "BuildKit" if client.has_image_exporter() else "the Docker Engine, through its API"
        click.echo(f"pushes:    {pusher}")
        for worker in client.workers():
            click.echo(f"worker:    {one_line(worker.id)}")
            click.echo(f"  platforms: {', '.join(map(str, worker.platforms))}")
            for key, value in sorted(worker.labels.items()):
                click.echo(f"  {one_line(key)}: {one_line(value)}")
    for name in _TELLING:
        click.echo(f"{name + ':':16} {'yes' if told[0].supports(name) else 'no'}")
