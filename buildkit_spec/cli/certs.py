"""``buildkit-spec certs``."""

from __future__ import annotations

from pathlib import Path

import click

_DIRECTORY = click.option(
    "--dir",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder of all certificates; made for you alone.",
)
_DAYS = click.option("--days", type=click.IntRange(1, 36_500), help="How long it holds.")
_PLACE = click.option(
    "--at",
    "place",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the server's folder will be on the builder machine, for what is printed.",
)


@click.group(
    epilog="""\b
Examples:
  buildkit-spec certs init --dir certs
  buildkit-spec certs server --dir certs --san builder.internal --san 10.0.0.7
  buildkit-spec certs client --dir certs --name ada
  buildkit-spec certs show --dir certs
  buildkit-spec certs show --dir certs/server --kubernetes buildkit-daemon-certs
  buildkit-spec certs renew --dir certs

\b
certs/server goes to the builder machine, certs/ada to its user; certs/ca stays here."""
)
def command() -> None:
    """Make certificates for builder machines and those who build on them."""


@command.command("init")
@_DIRECTORY
@click.option("--name", default="buildkit-spec", show_default=True, help="Whose authority it is.")
@_DAYS
def init(directory: Path, name: str, days: int | None) -> None:
    """Make an authority, which signs the others."""
    from buildkit_spec.certs import store

    folder = store.init(directory, name=name, days=days or store.AUTHORITY_DAYS)
    click.echo(f"{folder}/ca-key.pem signs who may build: keep it here, and secret")
    click.echo(f"next: buildkit-spec certs server --dir {directory} --san NAME_OR_IP", err=True)


@command.command("server")
@_DIRECTORY
@click.option(
    "--san",
    "names",
    metavar="NAME_OR_IP",
    multiple=True,
    required=True,
    help="What clients call the machine; several are fine.",
)
@click.option("--name", default="server", show_default=True, help="Of its folder.")
@_DAYS
@_PLACE
def server(
    directory: Path, names: tuple[str, ...], name: str, days: int | None, place: Path | None
) -> None:
    """Make a certificate for a builder machine."""
    from buildkit_spec.certs import store

    folder = store.add_server(directory, names, name=name, days=days or store.LEAF_DAYS)
    _print_daemon(place or folder)


@command.command("client")
@_DIRECTORY
@click.option("--name", default="client", show_default=True, help="Whose it is.")
@_DAYS
def client(directory: Path, name: str, days: int | None) -> None:
    """Make a certificate for somebody who may build."""
    from buildkit_spec.certs import store
    from buildkit_spec.certs.words import client_command

    folder = store.add_client(directory, name=name, days=days or store.LEAF_DAYS)
    click.echo(f"{folder} is for {name} alone; to try it, with the builder machine's name:\n")
    click.echo(f"  {client_command(folder, 'BUILDER')}")


@command.command("show")
@_DIRECTORY
@click.option("--name", "names", metavar="NAME", multiple=True, help="Of one; by default all.")
@click.option("--kubernetes", "secret", metavar="SECRET", help="Print it as a Kubernetes secret.")
@click.option("--namespace", help="Of the secret.")
@_PLACE
def show(
    directory: Path,
    names: tuple[str, ...],
    secret: str | None,
    namespace: str | None,
    place: Path | None,
) -> None:
    """Show names, dates and fingerprints, and what is wrong; DIR may be the folder of one.

    The exit code is 1 when something is.
    """
    from buildkit_spec.certs import inspect

    if secret:
        _print_secret(directory, names, secret, namespace or "")
        return
    has_problems = False
    for finding in inspect(directory, names):
        one = finding.certificate
        click.echo(f"{finding.file}")
        if one is not None:
            click.echo(f"  subject:     {one.subject}")
            click.echo(f"  signed by:   {one.issuer}")
            if one.names:
                click.echo(f"  names:       {', '.join(one.names)}")
            if one.purposes:
                click.echo(f"  for:         {', '.join(one.purposes)}")
            click.echo(
                f"  holds:       {one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d},"
                f" {max(one.days_left(), 0)} days left"
            )
            click.echo(f"  fingerprint: {one.fingerprint}")
        for message, remedy in finding.problems:
            has_problems = True
            click.echo(f"  wrong:       {message}" + (f"\n    → {remedy}" if remedy else ""))
        if one is not None and one.purposes == ("server",):
            _print_daemon(place or finding.file.parent)
    raise SystemExit(1 if has_problems else 0)


@command.command("renew")
@_DIRECTORY
@click.option("--name", "names", metavar="NAME", multiple=True, help="Of one; by default all.")
@click.option("--new-key", "has_new_key", is_flag=True, help="Make new keys too.")
@_DAYS
def renew(directory: Path, names: tuple[str, ...], has_new_key: bool, days: int | None) -> None:
    """Make new certificates for the same names; DIR may be the folder of one.

    The old ones stay in a folder `old` beside them. The authority stays as it is.
    """
    from buildkit_spec.certs import store

    days = days or store.LEAF_DAYS
    for folder in store.renew(directory, names, days=days, has_new_key=has_new_key):
        click.echo(f"{folder} is renewed, the old one is in {folder}/old")
    click.echo("copy them to where they are used; buildkitd reads its own at its start", err=True)


def _print_daemon(folder: Path) -> None:
    from buildkit_spec.certs.words import daemon_command, daemon_toml

    click.echo(f"\n  {daemon_command(folder)}\n\nor in buildkitd.toml:\n")
    click.echo(
        "".join(f"  {line}\n" if line else "\n" for line in daemon_toml(folder).splitlines())
    )


def _print_secret(directory: Path, names: tuple[str, ...], secret: str, namespace: str) -> None:
    from buildkit_spec.certs.words import kubernetes_secret

    folders = [directory / name for name in names] or [directory]
    if len(folders) > 1 or not (folders[0] / "cert.pem").is_file():
        raise click.UsageError("a secret is of one certificate: name it with --name, or its folder")
    click.echo(kubernetes_secret(folders[0], secret, namespace), nl=False)
