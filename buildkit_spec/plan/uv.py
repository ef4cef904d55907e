"""The ``uv`` binary inside a build: mounted into the steps that need it, never in the image."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.spec import BuilderConfig
from buildkit_spec.values import Platform

_DIR = f"{RUN_DIR}/uv"


def local_name(platform: Platform) -> str:
    """Return the name of the local source that holds the binary for *platform*."""
    return f"uv-{platform.architecture}"


def mount(config: BuilderConfig, platform: Platform) -> tuple[str, tuple[llb.Mount, ...]]:
    """Return the program to call and the mounts that bring it.

    Args:
        config: Says where the binary comes from.
        platform: What the step runs on.
    """
    if config.uv == "base":
        return "uv", ()
    if config.uv == "image":
        image = llb.image(
            config.uv_image, platform=platform, name=f"[uv] uv from {config.uv_image}"
        )
        return f"{_DIR}/uv", (llb.Bind(f"{_DIR}/uv", source=image, selector="/uv", readonly=True),)
    name = local_name(platform)
    binary = llb.local(
        name, shared_key_hint=f"buildkit-spec-{name}", name=f"[uv] send uv for {platform}"
    )
    return f"{_DIR}/uv", (llb.Bind(_DIR, source=binary, readonly=True),)
