"""What flytekit's own builder gives every image, for specs that were written for it.

``builder_options.like_flyte`` asks for it; flytekit's specs have it unless they say no.

Source: flytekit ``image_spec/default_builder.py``, ``DOCKER_FILE_TEMPLATE``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from buildkit_spec import llb
from buildkit_spec.plan import uv
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec

_NVIDIA_PROGRAMS = ("/usr/local/nvidia/bin", "/usr/local/cuda/bin")
_NVIDIA_LIBRARIES = ("/usr/local/nvidia/lib64",)

_ENV = {
    "FLYTE_SDK_RICH_TRACEBACKS": "0",
    # flytekit installs `runtime_packages` with pip as a container starts. An interpreter that
    # says it is somebody else's, as uv's and Debian's do, is the container's own all the same.
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
}


def calls_uv(spec: ImageSpec) -> bool:
    """Whether one of the spec's commands calls ``uv`` and is to find it."""
    return spec.builder_options.like_flyte and any(map(_names_uv, spec.commands or ()))


def tools(context: Context, command: str) -> tuple[Mapping[str, str], Sequence[llb.Mount]]:
    """Return environment and mounts by which a command finds ``uv``, if it names it.

    There ``uv pip install`` goes into the image's interpreter, from the spec's indexes.
    """
    if not (context.spec.builder_options.like_flyte and _names_uv(command)):
        return {}, ()
    program, mounts = uv.mount(context.spec.builder_config, context.platform)
    env = {**uv.ENV, "UV_BREAK_SYSTEM_PACKAGES": "1"}
    if context.probe.python:
        env["UV_PYTHON"] = context.probe.python
    if mounts:
        env["PATH"] = f"{posixpath.dirname(program)}:{context.config.path}"
    return env, (*mounts, *uv.working_mounts(context))


def apt_packages(context: Context) -> tuple[str, ...]:
    """Return the Debian packages that a bare base lacks: without certificates no task has TLS."""
    probe = context.probe
    is_lacking = "apt-get" in probe.tools and not probe.has_certificates
    return ("ca-certificates",) if context.spec.builder_options.like_flyte and is_lacking else ()


def defaults(spec: ImageSpec) -> Mapping[str, str]:
    """Return the image's environment below what the spec says."""
    return _ENV if spec.builder_options.like_flyte else {}


def config(spec: ImageSpec, given: ImageConfig) -> ImageConfig:
    """Return the image config with the places where some clusters mount NVIDIA's driver."""
    if not spec.builder_options.like_flyte:
        return given
    libraries = given.env.get("LD_LIBRARY_PATH", "")
    return given.with_env(
        {
            "PATH": _joined(given.path.split(":"), _NVIDIA_PROGRAMS),
            "LD_LIBRARY_PATH": _joined(_NVIDIA_LIBRARIES, [*filter(None, libraries.split(":"))]),
        }
    )


def _joined(first: Sequence[str], then: Sequence[str]) -> str:
    return ":".join(dict.fromkeys([*first, *then]))


def _names_uv(command: str) -> bool:
    return re.search(r"\buvx?\b", command) is not None
