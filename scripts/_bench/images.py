"""The images that builds begin with: our own graphs, pushed to the bench's registry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from _bench.depot import Depot
from buildkit_spec import llb
from buildkit_spec.client import BuildOutput, Gateway, find_endpoint, image_exporter
from buildkit_spec.host import find_ca_bundle, uv_directory
from buildkit_spec.registry import Logins
from buildkit_spec.session import Auth, FileSync, Health, Session, SharedDir
from buildkit_spec.spec.defaults import UV_VERSION
from buildkit_spec.values import Platform, Reference

UV = f"astral-sh/uv:{UV_VERSION}"
MICROMAMBA = "mambaorg/micromamba:2"
_PLATFORM = Platform("linux", "amd64")
_CONFIG_KEY = "containerimage.config"


def salted_step(salt: str) -> str:
    """Return what the step is called that makes a base image unlike all others."""
    return f"[bench] salt {salt}"


def push_base(depot: Depot, salt: str) -> str:
    """Push the engine's Python image with one file more, and return its repository and tag.

    No step on top of it can be cached, for us and for the peer alike.
    """
    base = os.environ["BASE_IMAGE"]
    file = llb.mkfile("/salt", f"{salt}\n")
    name = f"base/python:{salt}"
    _push(depot, name, llb.image(base).file(file, name=salted_step(salt)), like=base)
    return name


def push_tools(depot: Depot) -> None:
    """Push what the peer takes its tools from: `uv`, and a CA bundle beside a stub micromamba."""
    folder = uv_directory(UV_VERSION, _PLATFORM, os.environ)
    program = llb.copy(llb.local("uv", shared_key_hint="bench-uv"), "/uv", "/uv")
    _push(depot, UV, llb.scratch().file(program), folders={"uv": folder})
    bundle = Path(find_ca_bundle(os.environ) or "/etc/ssl/certs/ca-certificates.crt")
    stub = llb.scratch().file(
        llb.mkdir("/etc/ssl/certs", parents=True),
        llb.mkfile("/etc/ssl/certs/ca-certificates.crt", bundle.read_bytes()),
        llb.mkdir("/usr/bin", parents=True),
        llb.mkfile("/usr/bin/micromamba", "#!/bin/sh\nexit 1\n", mode=0o755),
    )
    _push(depot, MICROMAMBA, stub)


def _push(
    depot: Depot,
    name: str,
    state: llb.State,
    *,
    like: str = "",
    folders: Mapping[str, Path] | None = None,
) -> None:
    """Build a graph and push it; with the config of the image *like*, if one is named."""
    shared = {key: SharedDir(folder) for key, folder in (folders or {}).items()}
    with (
        find_endpoint(env=os.environ).connect() as client,
        Session([Auth(Logins.load(os.environ)), FileSync(shared), Health()]) as session,
    ):

        def run(gateway: Gateway) -> BuildOutput:
            metadata = {}
            if like:
                image = gateway.resolve_image(Reference.parse(like), _PLATFORM)
                metadata[_CONFIG_KEY] = image.config
            definition = state.marshal(platform=_PLATFORM, local_unique_id=session.id)
            return BuildOutput({_PLATFORM: gateway.solve(definition, evaluate=True)}, metadata)

        reference = Reference.parse(f"{depot.host}/{name}")
        client.build(run, exporters=[image_exporter([reference], push=True)], session=session)
