"""``buildkit-spec prune``."""

from __future__ import annotations

import click

from buildkit_spec.cli.options import Daemon, daemon_options


@click.command(
    epilog="""\b
Examples:
  buildkit-spec prune                      what no build of the last two days used
  buildkit-spec prune --keep-hours 0 --all everything"""
)
@daemon_options
@click.option("--filter", "filters", metavar="FILTER", multiple=True, help="Such as type==regular.")
@click.option("--all", "is_all", is_flag=True, help="Internal and shared records too.")
@click.option("--keep-hours", default=48.0, show_default=True, help="Keep what was used since.")
def command(daemon: Daemon, filters: tuple[str, ...], is_all: bool, keep_hours: float) -> None:
    """Remove what the build cache does not need."""
    from buildkit_spec.progress.text import size_text

    count = freed = 0
    with daemon.find().connect() as client:
        for record in client.prune(filters, all=is_all, keep_duration_s=keep_hours * 3600):
            count += 1
            freed += record.size_bytes
    click.echo(f"removed {count} records, {size_text(freed)}")
