"""``buildkit-spec builders``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit_spec.cli.options import Daemon, tls_options

if TYPE_CHECKING:
    from buildkit_spec.certs import Certificate
    from buildkit_spec.client import Address, Client, Tls


@click.group(
    epilog="""\b
Examples:
  buildkit-spec builders add lab tcp://builder:1234 --tlsdir ~/certs/lab --use
  buildkit-spec builders add cluster kube-pod://builder-0?namespace=ci
  buildkit-spec builders inspect lab
  buildkit-spec build image.yaml --builder cluster

\b
They are in ~/.config/buildkit-spec/config.toml, which may be edited."""
)
def command() -> None:
    """Name daemons, and choose the one to build on."""


@command.command("add")
@click.argument("name")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@tls_options
@click.option("--platform", "platforms", multiple=True, help="What it is to be used for.")
@click.option("--insecure", is_flag=True, help="Plain tcp:// may leave this machine.")
@click.option("--use", "is_used", is_flag=True, help="Build on it from now on.")
@click.option("--replace", "is_replaced", is_flag=True, help="One of this name may be there.")
def add(
    name: str,
    addresses: tuple[str, ...],
    tls_directory: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_server_name: str | None,
    platforms: tuple[str, ...],
    insecure: bool,
    is_used: bool,
    is_replaced: bool,
) -> None:
    """Give a daemon a name; several addresses stand in for each other.

    Nothing is connected to: `builders inspect` does that.
    """
    from buildkit_spec.client.configuration_edit import add_builder

    files = {"ca": tls_ca, "cert": tls_cert, "key": tls_key}
    tls: dict[str, str] = {word: str(file.absolute()) for word, file in files.items() if file}
    if tls_directory is not None and tls:
        raise click.UsageError("--tlsdir names all files: leave it, or the others, out")
    if tls_directory is not None and tls_server_name:
        tls["directory"] = str(tls_directory.absolute())
    if tls_server_name:
        tls["server_name"] = tls_server_name
    entry = {
        "address": _one_or_list(addresses),
        "tls": tls or (str(tls_directory.absolute()) if tls_directory is not None else ""),
        "platform": _one_or_list(platforms),
        "insecure": insecure,
    }
    after = add_builder(
        os.environ,
        name,
        {word: value for word, value in entry.items() if value},
        is_replaced=is_replaced,
        is_used=is_used,
    )
    click.echo(f"{name} is in {after.path}")
    if after.current != name:
        click.echo(f"to build on it: buildkit-spec builders use {name}")


def _one_or_list(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


@command.command("ls")
def ls() -> None:
    """List the builders, the one in use with a star."""
    from buildkit_spec.client.configuration import load_configuration

    found = load_configuration(os.environ)
    if not found.builders:
        click.echo(f"there are none in {found.path}", err=True)
    width = max(map(len, found.builders), default=0)
    for name, one in found.builders.items():
        words = [
            "*" if name == found.current else " ",
            name.ljust(width),
            ", ".join(map(str, one.addresses)),
            *(["tls"] if one.tls or one.tls_directory else []),
            *(["insecure"] if one.is_insecure else []),
            ", ".join(map(str, one.platforms)),
        ]
        click.echo(" ".join(filter(None, words)).rstrip())


@command.command("use")
@click.argument("name", required=False)
@click.option("--none", "is_none", is_flag=True, help="Use none: what answers is built on.")
def use(name: str | None, is_none: bool) -> None:
    """Build on a builder from now on."""
    from buildkit_spec.client.configuration_edit import use_builder

    if bool(name) == is_none:
        raise click.UsageError("give a name, or --none")
    use_builder(os.environ, name or "")
    for variable in ("BUILDKIT_SPEC_BUILDER", "BUILDKIT_HOST"):
        if os.environ.get(variable):
            click.echo(f"note: {variable} is set, and goes first", err=True)
            break


@command.command("rm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(names: tuple[str, ...]) -> None:
    """Forget builders; the daemons are left alone."""
    from buildkit_spec.client.configuration_edit import remove_builder

    for name in names:
        remove_builder(os.environ, name)


@command.command("inspect")
@click.argument("name", required=False)
def inspect(name: str | None) -> None:
    """Connect to a builder, by default the one that a build would use, and show what it is.

    The exit code is 3 when one of its addresses cannot be used.
    """
    from buildkit_spec.errors import DaemonError
    from buildkit_spec.progress import failure_text

    endpoint = Daemon(None, name).find()
    click.echo(f"builder:   {endpoint.builder or 'none'} ({endpoint.why})")
    if endpoint.platforms:
        click.echo(f"used for:  {', '.join(map(str, endpoint.platforms))}")
    if endpoint.tls is not None:
        _print_our_certificates(endpoint.tls)
    code = 0
    for address in endpoint.addresses:
        click.echo(f"address:   {address}")
        try:
            with endpoint.only(address).connect() as client:
                _print_daemon(client)
            if endpoint.tls is not None and address.is_tcp:
                _print_its_certificate(address, endpoint.tls)
        except DaemonError as error:
            click.echo(f"  error: {failure_text(error)}", err=True)
            code = 3
    raise SystemExit(code)


def _print_daemon(client: Client) -> None:
    from buildkit_spec.progress.lines import one_line

    info = client.info()
    # One before 0.11, as in Docker Engine 20.10, cannot be asked.
    click.echo(f"  version:   {one_line(f'{info.package} {info.version}') or 'not told'}")
    for worker in client.workers():
        click.echo(f"  worker:    {one_line(worker.id)}")
        click.echo(f"  platforms: {', '.join(map(str, worker.platforms))}")


def _print_our_certificates(tls: Tls) -> None:
    from buildkit_spec.certs import read_certificates

    for kind, file in (("CA", tls.ca), ("our own", tls.cert)):
        for one in read_certificates(file) if file is not None else ():
            click.echo(f"tls:       {kind}: {_dated(one)}")


def _print_its_certificate(address: Address, tls: Tls) -> None:
    from buildkit_spec.certs.certificate import parse_certificate
    from buildkit_spec.client.tls_stream import open_tls_stream

    with open_tls_stream(address, tls, 10, ("h2",)) as stream:
        shown = stream.getpeercert(binary_form=True)
    if shown:
        click.echo(f"  tls:       {_dated(parse_certificate(shown))}")


def _dated(one: Certificate) -> str:
    return f"{one.subject}, {one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d}{one.trouble()}"
