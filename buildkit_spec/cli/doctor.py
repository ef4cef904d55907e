"""``buildkit-spec doctor``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import click

from buildkit_spec.cli.options import Daemon, daemon_options, insecure_option, read_specs

_DAEMON = {"address", "certificate", "daemon", "clock", "entitlements"}
_COLORS = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command(
    epilog="""\b
Examples:
  buildkit-spec doctor
  buildkit-spec doctor image.yaml --addr tcp://builder:1234 --tlsdir ~/certs/lab
  buildkit-spec doctor ghcr.io/me/image:1.0 --json

\b
Exit codes: 0 a build can begin, 1 something else is wrong, 2 wrong input, 3 it is the daemon."""
)
@click.argument("images", metavar="[FILE|IMAGE]...", nargs=-1)
@daemon_options
@insecure_option
@click.option("--json", "is_json", is_flag=True, help="One JSON object per finding.")
def command(
    images: tuple[str, ...], daemon: Daemon, insecure_registries: tuple[str, ...], is_json: bool
) -> None:
    """Look for what stands in the way of a build, and say what to do about it.

    With FILE or IMAGE, also at the registry: whether it answers, and takes the login. With FILE,
    whether the image and its caches may be pushed, and its base image is there.
    """
    from buildkit_spec.builder import BuildkitBuilder
    from buildkit_spec.doctor import ImageQuestion, examine, questions_of, worst
    from buildkit_spec.values import Reference

    builder = BuildkitBuilder(insecure_registries=insecure_registries)
    questions: list[ImageQuestion] = []
    needs_host_network = False
    for one in images:
        if one.partition(":")[0].endswith((".yaml", ".yml", ".json", ".py")):
            for _, spec in read_specs((one,), ()):
                questions += questions_of(spec, builder.registry_for)
                needs_host_network |= spec.builder_options.network == "host"
        else:
            questions.append(ImageQuestion(Reference.parse(one), builder.registry))
    findings = []
    for finding in examine(
        daemon.wish(),
        os.environ,
        dict.fromkeys(questions),
        needs_host_network=needs_host_network,
    ):
        findings.append(finding)
        if is_json:
            click.echo(json.dumps(asdict(finding)))
            continue
        mark = click.style(f"{finding.level:4}", fg=_COLORS[finding.level])
        click.echo(f"{mark} {finding.subject:12} {finding.message}")
        if finding.remedy:
            click.echo(f"{'':18}→ {finding.remedy}")
    bad = [one for one in findings if one.level == "bad"]
    if worst(findings) == "bad":
        raise SystemExit(3 if any(one.subject in _DAEMON for one in bad) else 1)
