"""What a spec that does not say gets: base image, platform, versions of what is installed here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec.environment import DEFAULT_IMAGE
from buildkit_spec.values import Platform

DEFAULT_PYTHON = "3.12"
"""For a spec that says no version: not this process', so that every machine makes the same image.
Changing it is a new builder epoch."""

UV_VERSION = "0.13.9"
"""The uv that installs for a spec that says no version. Changing it is a new builder epoch."""

MICROMAMBA_IMAGE = "mambaorg/micromamba:2.3.2-debian12-slim"
"""Where micromamba comes from for a spec that names none."""

_REPOSITORY = "cr.flyte.org/flyteorg/flytekit"
_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12")


def default_image(python_version: str, flytekit_version: str) -> str:
    """Return the reference of Flyte's image for a Python and a flytekit version.

    Args:
        python_version: Such as ``3.11`` or ``3.11.4``; empty stands for `DEFAULT_PYTHON`.
        flytekit_version: Such as ``1.16.3``; empty and development versions stand for ``latest``.

    Raises:
        SpecValidationError: There is no such image.

    Source: flytekit ``configuration/default_images.py``.
    """
    python = ".".join((python_version or DEFAULT_PYTHON).split(".")[:2])
    if python not in _PYTHONS:
        raise SpecValidationError(
            [
                Problem(
                    "python_version",
                    f"there is no default base image with Python {python}",
                    f"set base_image: python:{python}-slim",
                )
            ]
        )
    version = flytekit_version.removeprefix("v")
    return f"{_REPOSITORY}:py{python}-{'latest' if not version or 'dev' in version else version}"


def default_base_image(python_version: str, env: Mapping[str, str] = os.environ) -> str:
    """Return the default base image on this machine.

    Args:
        python_version: See `default_image`.
        env: The environment; ``FLYTE_INTERNAL_IMAGE`` wins over everything.

    Raises:
        SpecValidationError: There is no such image.
    """
    return env.get(DEFAULT_IMAGE) or default_image(python_version, _flytekit_version())


def _flytekit_version() -> str:
    from importlib import metadata  # heavy, and a spec that names its base does not ask

    try:
        return metadata.version("flytekit")
    except metadata.PackageNotFoundError:
        return ""


def default_platform(registry: str, machine: str | None = None) -> Platform:
    """Return the platform of a spec that names none: ``linux/amd64``, also on other machines.

    A registry on this machine serves this machine, so for one an arm64 machine gets its own kind.

    Args:
        registry: The spec's registry, or empty.
        machine: The machine's kind as ``uname -m`` has it; by default it is asked.

    Source: flytekit ``image_spec.py``, ``ImageSpec.__post_init__``.
    """
    if machine is None:
        machine = os.uname().machine if hasattr(os, "uname") else ""
    is_arm = machine.lower() in {"arm64", "aarch64"}
    return Platform("linux", "arm64" if is_arm and registry.startswith("localhost:") else "amd64")


def pinned_requirements(packages: Iterable[str]) -> list[str]:
    """Return ``name==version`` of packages that are installed here.

    Raises:
        SpecValidationError: Some are not; all of them.
    """
    from importlib import metadata

    pinned, problems = [], []
    for package in packages:
        try:
            # Python 3.10 finds just any package for the empty name.
            pinned.append(f"{package}=={metadata.version(package or '?')}")
        except (metadata.PackageNotFoundError, ValueError):
            problems.append(Problem("pinned_packages", f"{package!r} is not installed here"))
    if problems:
        raise SpecValidationError(problems)
    return pinned
