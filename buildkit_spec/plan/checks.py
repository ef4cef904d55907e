"""What a plan refuses, and what to write instead: before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec, RequirementKind

_NOT_YET = {
    "conda_packages": "install it through packages, or use a base image with conda",
    "conda_channels": "use a base image that holds the conda environment",
    "cuda": "name a base image that holds CUDA; wheels of torch and jax bring their own",
    "cudnn": "name a base image that holds cuDNN; wheels of torch and jax bring their own",
    "registry_config": "set the CA bundle with SSL_CERT_FILE, and log in with docker login",
}


def refuse(problems: Sequence[Problem]) -> None:
    """Raise all *problems* at once, if there are any.

    Raises:
        SpecValidationError: There is one or more.
    """
    if problems:
        raise SpecValidationError(problems)


def unsupported_problems(spec: ImageSpec) -> list[Problem]:
    """Return a problem for every field set that this release cannot honour: none is ignored."""
    problems = [
        Problem(field, "is not supported yet", remedy)
        for field, remedy in _NOT_YET.items()
        if getattr(spec, field)
    ]
    if spec.requirements and RequirementKind.of(spec.requirements) is RequirementKind.POETRY_LOCK:
        remedy = "poetry export --output requirements.txt, and name that file"
        problems.append(Problem("requirements", "poetry.lock is not supported yet", remedy))
    return problems


def system_problems(context: Context) -> list[Problem]:
    """Return what the spec asks of the base image's system, and it does not hold."""
    spec, probe = context.spec, context.probe
    base = spec.base_image if isinstance(spec.base_image, str) else "the base image"
    problems = []
    if spec.apt_packages and "apt-get" not in probe.tools:
        problems.append(
            Problem(
                "apt_packages",
                f"{base} has no apt-get ({probe.distro.strip('-') or 'unknown distribution'})",
                "use a Debian or Ubuntu base image, or install through commands",
            )
        )
    return problems


def python_problems(context: Context) -> list[Problem]:
    """Return what the spec asks of the interpreter, and there is not."""
    spec, probe = context.spec, context.probe
    base = spec.base_image if isinstance(spec.base_image, str) else "the base image"
    problems = []
    if not probe.python:
        wanted = spec.python_exec or "python3"
        problems.append(
            Problem(
                "python_exec" if spec.python_exec else "base_image",
                f"{base} has no {wanted}",
                "use a base image with Python, such as python:3.12-slim, or set python_exec",
            )
        )
    elif spec.python_version and not _fits(probe.python_version, spec.python_version):
        problems.append(
            Problem(
                "python_version",
                f"{base} has Python {probe.python_version}, the spec wants {spec.python_version}",
                f"use a base image with Python {spec.python_version}, or leave python_version out",
            )
        )
    return problems


def _fits(found: str, wanted: str) -> bool:
    parts = wanted.split(".")
    return found.split(".")[: len(parts)] == parts
