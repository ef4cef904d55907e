"""``buildkit-spec du``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildkit_spec.cli.options import Daemon, daemon_options

if TYPE_CHECKING:
    from datetime import datetime

    from buildkit_spec.client import CacheRecord

filter_option = click.option(
    "--filter",
    "filters",
    metavar="FILTER",
    multiple=True,
    help="Only what fits: type=regular, id=…, description~=pip, shared, until=24h (not used "
    "since). Of several, all.",
)
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Say all of each record.")
json_option = click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")


@click.command()
@daemon_options
@filter_option
@verbose_option
@json_option
def command(daemon: Daemon, filters: tuple[str, ...], verbose: bool, is_json: bool) -> None:
    """Show what the daemon's build cache holds, the largest first."""
    from buildkit_spec.client.cache_filter import parse_filters
    from buildkit_spec.progress.text import size_text

    wanted = parse_filters(filters)
    for client in daemon.each():
        found = client.disk_usage(wanted.expressions, unused_for_s=wanted.unused_for_s or 0)
        records = sorted(found, key=lambda one: -one.size_bytes)
        for record in records:
            click.echo(record_text(record, verbose=verbose, is_json=is_json))
        if not is_json:
            total = sum(record.size_bytes for record in records)
            free = sum(one.size_bytes for one in records if not one.is_in_use and not one.is_shared)
            click.echo(f"total {size_text(total)}, of which prune can free {size_text(free)}")


def record_text(record: CacheRecord, *, verbose: bool, is_json: bool) -> str:
    """Return a record for people, on one line or several, or for programs."""
    from buildkit_spec.progress.lines import one_line
    from buildkit_spec.progress.text import size_text

    if is_json:
        return json.dumps(_document(record))
    if verbose:
        told = _document(record) | {"size": size_text(record.size_bytes)}
        return "".join(f"{key + ':':13} {one_line(_text(value))}\n" for key, value in told.items())
    state = "in use" if record.is_in_use else "shared" if record.is_shared else ""
    return (
        f"{record.id[:12]:12}  {size_text(record.size_bytes):>9}  {record.kind:18}  "
        f"{state:6}  {one_line(record.description)}"
    )


def _document(record: CacheRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "parents": list(record.parents),
        "type": record.kind,
        "size": record.size_bytes,
        "created": _stamp(record.created),
        "last_used": _stamp(record.last_used),
        "use_count": record.use_count,
        "in_use": record.is_in_use,
        "shared": record.is_shared,
        "mutable": record.is_mutable,
        "description": record.description,
    }


def _stamp(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
