"""``buildkit-spec du``."""

from __future__ import annotations

import click

from buildkit_spec.cli.options import Daemon, daemon_options


@click.command()
@daemon_options
@click.option("--filter", "filters", metavar="FILTER", multiple=True, help="Such as type==regular.")
def command(daemon: Daemon, filters: tuple[str, ...]) -> None:
    """Show what the daemon's build cache holds, the largest first."""
    from buildkit_spec.progress.text import size_text

    with daemon.find().connect() as client:
        records = sorted(client.disk_usage(filters), key=lambda one: -one.size_bytes)
    for record in records:
        state = "in use" if record.is_in_use else "shared" if record.is_shared else ""
        click.echo(
            f"{record.id[:12]:12}  {size_text(record.size_bytes):>9}  {record.kind:18}  "
            f"{state:6}  {record.description}"
        )
    total = sum(record.size_bytes for record in records)
    free = sum(one.size_bytes for one in records if not one.is_in_use and not one.is_shared)
    click.echo(f"total {size_text(total)}, of which prune can free {size_text(free)}")
