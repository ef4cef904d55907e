"""``buildkit-spec history``: the builds that the daemon remembers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from buildkit_spec.cli.du import json_option
from buildkit_spec.cli.options import Daemon, daemon_options

if TYPE_CHECKING:
    from buildkit_spec.client import Client
    from buildkit_spec.client.history import BuildRecord
    from buildkit_spec.progress.display import Mode

_STATES = ("running", "done", "failed", "cancelled")
_ANSWERS = ("containerimage.digest", "containerimage.config.digest", "image.name")
_REF = click.argument("ref", default="^0")


@click.group(
    epilog="""\b
A REF is a build's id or how it begins; ^0 is the latest build, ^1 the one before.

\b
Examples:
  buildkit-spec history ls --state failed
  buildkit-spec history logs
  buildkit-spec history export ^1 -o build.dockerbuild"""
)
def command() -> None:
    """List builds, show their logs again, export or forget what the daemon has of them."""


@command.command("ls")
@daemon_options
@click.option("--state", type=click.Choice(_STATES), help="Only these.")
@click.option("--name", metavar="TEXT", default="", help="Only those whose image's name has it.")
@json_option
def list_builds(daemon: Daemon, state: str | None, name: str, is_json: bool) -> None:
    """List builds, the latest first."""
    from buildkit_spec.progress.lines import one_line

    for record in (one for client in daemon.each() for one in client.history.records()):
        if (state and record.state != state) or name not in record.name:
            continue
        if is_json:
            click.echo(json.dumps(_document(record)))
            continue
        when = f"{record.created:%Y-%m-%d %H:%M:%S}" if record.created else ""
        took = "" if record.duration_s is None else f"{record.duration_s:.1f}s"
        ref, image = one_line(record.ref)[:12], one_line(record.name)
        click.echo(f"{ref:12}  {when:19}  {record.state:9}  {took:>8}  {image}")


@command.command()
@_REF
@daemon_options
@json_option
def inspect(ref: str, daemon: Daemon, is_json: bool) -> None:
    """Show what is known of a build."""
    from buildkit_spec.progress.lines import one_line

    with _found(daemon, ref) as (_, record):
        pass
    document = _document(record)
    if is_json:
        click.echo(json.dumps(document, indent=2))
        return
    told = {**document, "exporters": ", ".join(record.exporters), "blobs": "", "answers": ""}
    told |= {key: value for key, value in record.answers.items() if key in _ANSWERS}
    told |= {blob.role: f"{blob.digest}  {blob.media_type}" for blob in record.blobs}
    for key, value in told.items():
        if value not in (None, "", False):
            click.echo(f"{key + ':':15} {one_line(str(value))}")


@command.command()
@_REF
@daemon_options
@click.option(
    "--progress",
    type=click.Choice(["auto", "tty", "plain", "json"]),
    default="plain",
    show_default=True,
    help="How to show it, on standard error.",
)
def logs(ref: str, daemon: Daemon, progress: Mode) -> None:
    """Show again what happened in a build; of one that runs, until it ends."""
    from buildkit_spec.cli.progress import LazyDisplay

    with (
        _found(daemon, ref) as (client, record),
        LazyDisplay(progress, sys.stderr) as display,
    ):
        client.history.replay(record.ref, display.callback(""))


@command.command("rm")
@click.argument("refs", metavar="[REF]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All that are over and not pinned.")
@daemon_options
def remove(refs: tuple[str, ...], is_all: bool, daemon: Daemon) -> None:
    """Forget builds; what they made stays, in the cache too."""
    from buildkit_spec.errors import InvalidValueError

    if bool(refs) is is_all:
        raise InvalidValueError(" ".join(refs), "name builds, or say --all")
    for ref in refs:
        with _found(daemon, ref) as (client, record):
            client.history.remove(record.ref)
            click.echo(record.ref)
    for client in daemon.each() if is_all else ():
        for record in client.history.records():
            if record.completed is not None and not record.is_pinned:
                client.history.remove(record.ref)
                click.echo(record.ref)


@command.command()
@_REF
@daemon_options
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to; - is standard output.")
def export(ref: str, daemon: Daemon, output: str) -> None:
    """Write all that the daemon has of a build to a file, for Docker Desktop and others.

    It is an OCI archive of logs, trace, provenance and the image's manifest, not of its layers.
    """
    from pathlib import Path

    from buildkit_spec.client.history_archive import export_record
    from buildkit_spec.session import ArchiveFile

    with _found(daemon, ref) as (client, record):
        place = ArchiveFile(None if output == "-" else Path(output))
        try:
            with place.open({}) as file:
                export_record(client.history, record, file)
            place.commit()
        finally:
            place.discard()


@contextmanager
def _found(daemon: Daemon, ref: str) -> Iterator[tuple[Client, BuildRecord]]:
    """Connect to the daemon that has a build: of a pool, the first that does.

    Raises:
        InvalidValueError: None has it, or one has several of the kind.
    """
    from buildkit_spec.errors import InvalidValueError

    unknown: InvalidValueError | None = None
    with closing(daemon.each()) as clients:
        for client in clients:
            try:
                record = client.history.find(ref)
            except InvalidValueError as error:
                unknown = error
                continue
            yield client, record
            return
    assert unknown is not None
    raise unknown


def _document(record: BuildRecord) -> dict[str, Any]:
    document = asdict(record)
    for key in ("created", "completed"):
        document[key] = document[key].isoformat() if document[key] else None
    return {**document, "duration_s": record.duration_s}
