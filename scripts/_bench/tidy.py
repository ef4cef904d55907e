"""What a run of the bench leaves in the daemon is removed again: gigabytes that nobody asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from _bench.images import salted_step
from buildkit_spec._pb import control
from buildkit_spec.client import Client, find_endpoint
from buildkit_spec.errors import DaemonError


def tidy(host: str, salt: str) -> None:
    """Remove the images of a registry, and all that was built on the base with a salt.

    A daemon that went away meanwhile keeps them: that is said, and hides no other error.
    """
    try:
        _remove_images(host)
        _remove_records(salt)
    except (DaemonError, subprocess.CalledProcessError) as error:
        print(f"builds on {host} are left in the daemon's cache: {error}", file=sys.stderr)


def _remove_images(host: str) -> None:
    docker = str(Path(os.environ["ENGINE_DIR"]) / "programs/usr/bin/docker")
    listed = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    ours = [name for name in listed if name.startswith(f"{host}/") and "<none>" not in name]
    if ours:
        subprocess.run([docker, "image", "rm", *ours], capture_output=True, check=False)


def _remove_records(salt: str) -> None:
    with find_endpoint(env=os.environ).connect() as client:
        records = _records(client)
        roots = [one.ID for one in records if one.Description == salted_step(salt)]
        parents = {one.ID: {*one.Parents, one.Parent} for one in records}
        doomed = descendants(roots, parents)
        if doomed:
            list(client.prune([f"id=={id}" for id in sorted(doomed)], all=True))


def descendants(roots: Iterable[str], parents: dict[str, set[str]]) -> set[str]:
    """Return *roots* and everything that has one of them above it."""
    found, added = set(roots), set(roots)
    while added:
        added = {id for id, above in parents.items() if above & added and id not in found}
        found |= added
    return found


def _records(client: Client) -> list[control.UsageRecord]:
    method = control.Control.DiskUsage
    ask = client.channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    return list(ask(control.DiskUsageRequest()).record)
