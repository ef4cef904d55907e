"""The command group: names and summaries here, the commands in modules of their own."""

from __future__ import annotations

import importlib
from typing import Any

import click

from buildkit_spec._version import __version__
from buildkit_spec.errors import BuildkitSpecError, DaemonError, InvalidValueError, SpecError

_COMMANDS = {
    "build": "Build images and push them, unless they are there already.",
    "lock": "Resolve Python packages and write their versions and hashes beside the spec.",
    "plan": "Show the graph of an image without building it.",
    "exists": "Tell whether images are in their registry.",
    "info": "Show the daemon: address, version, workers, capabilities.",
    "doctor": "Look for what stands in the way of a build, and say what to do about it.",
    "builders": "Name daemons, and choose the one to build on.",
    "daemon": "See and stop the daemon that builds start where none runs.",
    "certs": "Make certificates for builder machines and those who build on them.",
    "du": "Show what the daemon's build cache holds.",
    "prune": "Remove what the build cache does not need.",
    "history": "List builds, show their logs again, forget or export them.",
    "workers": "Show the daemon's workers: platforms, labels, when they clean up.",
}

_EPILOG = """\b
Examples:
  buildkit-spec build image.yaml
  buildkit-spec build train.yaml serve.yaml --force
  buildkit-spec build pipeline.py:image --addr tcp://builder:1234
  buildkit-spec build image.yaml --set registry=ghcr.io/me --set env.MODE=test
  buildkit-spec plan image.yaml --format dot | dot -Tsvg > plan.svg

\b
The daemon is --addr or --builder, else BUILDKIT_SPEC_BUILDER, else BUILDKIT_HOST, else what
pyproject.toml or `builders use` chose, else a buildkitd socket, else the Docker Engine, else one
that is started (--daemon).
Exit codes: 0 done, 1 build failed, 2 wrong input, 3 no daemon."""

EXIT_FAILED, EXIT_INPUT, EXIT_DAEMON, EXIT_INTERRUPTED = 1, 2, 3, 130


class _Commands(click.Group):
    """Imports a command when it is called, and turns our errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"buildkit_spec.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click would import every command for its first line.
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BuildkitSpecError as error:
            from buildkit_spec.progress import failure_text

            click.echo(f"error: {failure_text(error)}", err=True)
            ctx.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("interrupted: what was not done was stopped, and is not pushed", err=True)
            ctx.exit(EXIT_INTERRUPTED)


def exit_code(error: BaseException) -> int:
    """Return the exit code that tells the kind of *error*."""
    if isinstance(error, DaemonError):
        return EXIT_DAEMON
    if isinstance(error, (SpecError, InvalidValueError)):
        return EXIT_INPUT
    return EXIT_FAILED


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="buildkit-spec")
def commands() -> None:
    """Build container images from an image spec, on BuildKit, without a Dockerfile."""
