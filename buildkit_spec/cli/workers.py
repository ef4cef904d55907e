"""``buildkit-spec workers``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from buildkit_spec.cli.du import json_option
from buildkit_spec.cli.options import Daemon, daemon_options

if TYPE_CHECKING:
    from buildkit_spec.client.records import GcRule


@click.command()
@daemon_options
@json_option
def command(daemon: Daemon, is_json: bool) -> None:
    """Show the daemon's workers: platforms, labels, and when they clean up."""
    from buildkit_spec.progress.lines import one_line

    for worker in (one for client in daemon.each() for one in client.workers()):
        platforms = [str(one) for one in worker.platforms]
        if is_json:
            click.echo(json.dumps({**asdict(worker), "platforms": platforms}))
            continue
        click.echo(one_line(worker.id))
        click.echo(f"  platforms: {', '.join(platforms)}")
        for key, value in sorted(worker.labels.items()):
            click.echo(f"  {one_line(key)}: {one_line(value)}")
        for number, rule in enumerate(worker.gc_rules, 1):
            click.echo(f"  clean-up rule {number}: {_rule_text(rule)}")


def _rule_text(rule: GcRule) -> str:
    from buildkit_spec.progress.text import size_text

    parts = ["everything" if rule.is_all else " or ".join(rule.filters) or "all but internal"]
    if rule.keep_duration_s:
        parts.append(f"unused for {rule.keep_duration_s / 3600:g} h")
    if rule.max_used_bytes:
        parts.append(f"above {size_text(rule.max_used_bytes)} of cache")
    if rule.min_free_bytes:
        parts.append(f"below {size_text(rule.min_free_bytes)} free")
    if rule.reserved_bytes:
        parts.append(f"but never the last {size_text(rule.reserved_bytes)}")
    return ", ".join(parts)
