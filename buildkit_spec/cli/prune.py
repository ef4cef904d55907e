"""``buildkit-spec prune``."""

from __future__ import annotations

import click

from buildkit_spec.cli.du import filter_option, json_option, record_text, verbose_option
from buildkit_spec.cli.options import Daemon, daemon_options

_KEEP = "48h"


@click.command(
    epilog="""\b
Examples:
  buildkit-spec prune                                 what no build of the last two days used
  buildkit-spec prune --keep-duration 0 --all         everything
  buildkit-spec prune --max-used-space 20GB           the oldest, until no more is left
  buildkit-spec prune --filter type=exec.cachemount   packages that were downloaded"""
)
@daemon_options
@filter_option
@click.option("-a", "--all", "is_all", is_flag=True, help="Internal and shared records too.")
@click.option(
    "--keep-duration",
    metavar="TIME",
    help=f"Keep what was used since: 90s, 36h, 7d. [default: {_KEEP}; with a space: 0]",
)
@click.option(
    "--reserved-space", "--keep-storage", metavar="SIZE", help="Keep so much in any case: 10GB."
)
@click.option(
    "--max-used-space", metavar="SIZE", help="Remove only until no more than that is left."
)
@click.option("--min-free-space", metavar="SIZE", help="Remove only until so much is free.")
@verbose_option
@json_option
def command(
    daemon: Daemon,
    filters: tuple[str, ...],
    is_all: bool,
    keep_duration: str | None,
    reserved_space: str | None,
    max_used_space: str | None,
    min_free_space: str | None,
    verbose: bool,
    is_json: bool,
) -> None:
    """Remove what the build cache does not need."""
    from buildkit_spec.client.cache_filter import parse_filters
    from buildkit_spec.errors import InvalidValueError
    from buildkit_spec.progress.text import size_text
    from buildkit_spec.values.quantity import parse_duration_s, parse_size_bytes

    wanted = parse_filters(filters)
    spaces = [reserved_space, max_used_space, min_free_space]
    reserved, most_used, least_free = (parse_size_bytes(one) if one else 0 for one in spaces)
    if wanted.unused_for_s is not None and keep_duration is not None:
        raise InvalidValueError(keep_duration, "until and --keep-duration say the same")
    keep_s = wanted.unused_for_s
    if keep_s is None:
        keep_s = parse_duration_s(keep_duration or ("0" if any(spaces) else _KEEP))
    count = freed = 0
    for client in daemon.each():
        for record in client.prune(
            wanted.expressions,
            all=is_all,
            keep_duration_s=keep_s,
            reserved_bytes=reserved,
            max_used_bytes=most_used,
            min_free_bytes=least_free,
        ):
            count += 1
            freed += record.size_bytes
            if verbose or is_json:
                click.echo(record_text(record, verbose=verbose, is_json=is_json))
    if not is_json:
        click.echo(f"removed {count} records, {size_text(freed)}")
