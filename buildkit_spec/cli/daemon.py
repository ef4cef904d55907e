"""``buildkit-spec daemon``."""

from __future__ import annotations

import os
import time

import click

_NONE = "no daemon of our own runs"


@click.group(
    epilog="""\b
Examples:
  buildkit-spec daemon status
  buildkit-spec daemon stop
  buildkit-spec build image.yaml --daemon stop     end it with this build
  BUILDKIT_SPEC_DAEMON=never                       start none"""
)
def command() -> None:
    """See and stop the daemon that builds start where none runs.

    It is buildkitd (with rootlesskit, if you are not root) or dockerd, whichever is on PATH. It
    ends 10 minutes after the last build; its cache stays.
    """


@command.command("status")
def status() -> None:
    """Show what runs; exit code 3 when nothing does."""
    from buildkit_spec.daemon import Folder, find_running

    folder = Folder.of(os.environ)
    running = find_running(folder)
    if running is None:
        click.echo(_NONE, err=True)
        raise SystemExit(3)
    click.echo(f"program:  {running.program}")
    click.echo(f"address:  {running.address}")
    click.echo(f"builds:   {running.user_count}")
    click.echo(f"for:      {max(0.0, time.time() - running.started_s):.0f} s")
    click.echo(f"log:      {running.log}")
    click.echo(f"cache:    {folder.root / running.program}")


@command.command("stop")
def stop() -> None:
    """Stop it, and the builds that run on it."""
    from buildkit_spec.daemon import Folder
    from buildkit_spec.daemon import stop as stop_daemon

    stopped = stop_daemon(Folder.of(os.environ))
    click.echo(f"stopped {stopped.program}" if stopped is not None else _NONE, err=True)
