"""The base image of a spec that names none: Flyte's own, by Python and flytekit version."""

from __future__ import annotations

import os
from collections.abc import Mapping

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec.environment import DEFAULT_IMAGE

DEFAULT_PYTHON = "3.12"
"""For a spec that says no version: not this process', so that every machine makes the same image.
Changing it is a new builder epoch."""

UV_VERSION = "0.13.9"
"""The uv that installs for a spec that says no version. Changing it is a new builder epoch."""

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
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("flytekit")
    except PackageNotFoundError:
        return ""
