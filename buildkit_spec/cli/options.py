"""Options and arguments that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from buildkit_spec.builder import BuildkitBuilder
    from buildkit_spec.client import Client, Endpoint, Tls, Wish
    from buildkit_spec.reach import Embedded
    from buildkit_spec.spec import ImageSpec

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Daemon:
    """What a command line says of the daemon."""

    address: str | None
    builder: str | None
    tls_files: dict[str, Any] = field(default_factory=dict)
    is_insecure: bool = False

    def find(self) -> Endpoint:
        """Return the daemon to use.

        Raises:
            BuildkitSpecError: See `find_endpoint`.
        """
        from buildkit_spec.reach import find_reachable

        return find_reachable(self.wish(), os.environ)

    def each(self) -> Generator[Client, None, None]:
        """Yield a connection, closed afterwards, to the daemon; of a pool to each in turn.

        Whose turn it is is told on standard error.

        Raises:
            BuildkitSpecError: See `find_endpoint`; or one cannot be reached.
        """
        from buildkit_spec.client.pool_members import connect_to, is_pool, pool_members

        endpoint = self.find()
        if not is_pool(endpoint):
            with endpoint.connect() as client:
                yield client
            return
        for member in pool_members(endpoint):
            click.echo(f"{member.name}:", err=True)
            with connect_to(member, endpoint) as client:
                yield client

    def wish(self) -> Wish:
        """Return it as the library has it."""
        from buildkit_spec.client import Wish

        return Wish(self.address or "", self.builder or "", self._tls(), self.is_insecure)

    def make_builder(
        self, insecure_registries: tuple[str, ...] = (), embedded: Embedded | None = None
    ) -> BuildkitBuilder:
        """Return a builder on it, that connects when it needs to."""
        from buildkit_spec.builder import BuildkitBuilder

        return BuildkitBuilder(
            self.address,
            builder=self.builder,
            tls=self._tls(),
            is_insecure=self.is_insecure,
            daemon=embedded,
            insecure_registries=insecure_registries,
        )

    def _tls(self) -> Tls | None:
        given = {name: value for name, value in self.tls_files.items() if value}
        if not given:
            return None
        from buildkit_spec.client import Tls

        return Tls.from_files(**given)


def daemon_options(function: _F) -> _F:
    """Add what names the daemon; the command gets it as ``daemon``."""

    @functools.wraps(function)
    def command(
        *args: Any,
        address: str | None,
        builder: str | None,
        is_insecure: bool,
        **options: Any,
    ) -> Any:
        files = {name: options.pop(f"tls_{name}") for name in TLS_NAMES}
        daemon = Daemon(address, builder, files, is_insecure)
        return function(*args, daemon=daemon, **options)

    for option in reversed(_DAEMON_OPTIONS):
        command = option(command)
    return cast("_F", command)


TLS_NAMES = ("directory", "ca", "cert", "key", "server_name")
"""What `tls_options` gives a command, each with ``tls_`` before it."""


def tls_options(function: _F) -> _F:
    """Add what names certificates, in buildctl's words."""
    for option in reversed(_TLS_OPTIONS):
        function = option(function)
    return function


_FILE = click.Path(path_type=Path)
_TLS_OPTIONS = (
    click.option(
        "--tlsdir",
        "tls_directory",
        metavar="DIR",
        type=_FILE,
        help="Certificates for tcp://: ca.pem, cert.pem, key.pem. [env: BUILDKIT_TLS_DIR]",
    ),
    click.option(
        "--tlscacert",
        "tls_ca",
        metavar="FILE",
        type=_FILE,
        help="Who signs the daemon's certificate. [env: BUILDKIT_TLS_CACERT]",
    ),
    click.option(
        "--tlscert",
        "tls_cert",
        metavar="FILE",
        type=_FILE,
        help="The certificate to show. [env: BUILDKIT_TLS_CERT]",
    ),
    click.option(
        "--tlskey", "tls_key", metavar="FILE", type=_FILE, help="Its key. [env: BUILDKIT_TLS_KEY]"
    ),
    click.option(
        "--tlsservername",
        "tls_server_name",
        metavar="NAME",
        help="Name in the daemon's certificate, if not the address's host. "
        "[env: BUILDKIT_TLS_SERVER_NAME]",
    ),
)

_DAEMON_OPTIONS = (
    click.option(
        "--addr",
        "address",
        metavar="ADDRESS",
        help="The daemon: unix:///path, tcp://host:port, docker://, ssh://host, … "
        "[env: BUILDKIT_HOST]",
    ),
    click.option(
        "--builder",
        metavar="NAME",
        help="A builder of yours, see `builders ls`. [env: BUILDKIT_SPEC_BUILDER]",
    ),
    tls_options,
    click.option(
        "--insecure", "is_insecure", is_flag=True, help="Plain tcp:// may leave this machine."
    ),
)

embedded_option = click.option(
    "--daemon",
    "embedded",
    type=click.Choice(["keep", "stop", "never"]),
    help="Where no daemon runs, start one and keep it a while, or stop it after this build; or "
    "start none. [env: BUILDKIT_SPEC_DAEMON]",
)

insecure_option = click.option(
    "--insecure-registry",
    "insecure_registries",
    metavar="HOST[:PORT]",
    multiple=True,
    help="A registry that may be spoken to over plain http; loopback always may.",
)


def spec_arguments(function: _F) -> _F:
    """Add the files to read specs from and ``--set``."""
    function = click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a field of every spec: registry=ghcr.io/me, env.MODE=test, packages+=pandas.",
    )(function)
    return click.argument("files", metavar="FILE...", nargs=-1, required=True)(function)


def read_specs(files: tuple[str, ...], overrides: tuple[str, ...]) -> list[tuple[str, ImageSpec]]:
    """Return every spec of every file with a name for people.

    Args:
        files: YAML files, Python files, or ``file.py:name``.
        overrides: ``key=value`` texts.

    Raises:
        SpecError: A file cannot be read, or a spec is wrong; all problems of a file at once.
    """
    from buildkit_spec.spec import apply_overrides, load_specs

    found = [pair for file in files for pair in load_specs(file)]
    return [(name, apply_overrides(spec, overrides)) for name, spec in found]
