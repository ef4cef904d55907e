"""What a plan refuses, and what to write instead: before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.plan import cuda
from buildkit_spec.plan.steps import Context


def refuse(problems: Sequence[Problem]) -> None:
    """Raise all *problems* at once, if there are any.

    Raises:
        SpecValidationError: There is one or more.
    """
    if problems:
        raise SpecValidationError(problems)


def system_problems(context: Context) -> list[Problem]:
    """Return what the spec asks of the base image's system, and it does not hold."""
    spec, probe = context.spec, context.probe
    base = spec.base_image if isinstance(spec.base_image, str) else "the base image"
    problems = []
    if (spec.apt_packages or cuda.apt_packages(spec)) and "apt-get" not in probe.tools:
        problems.append(
            Problem(
                "apt_packages" if spec.apt_packages else "cuda",
                f"{base} has no apt-get ({probe.distro.strip('-') or 'unknown distribution'})",
                "use a Debian or Ubuntu base image, or install through commands",
            )
        )
    return problems


def python_problems(context: Context) -> list[Problem]:
    """Return what the spec asks of the interpreter it names, and that is not."""
    spec, probe = context.spec, context.probe
    if not spec.python_exec:
        return []
    base = spec.base_image if isinstance(spec.base_image, str) else "the base image"
    if not probe.python:
        remedy = "leave python_exec out, or use a base image that holds it"
        return [Problem("python_exec", f"{base} has no {spec.python_exec}", remedy)]
    if not fits(context):
        return [
            Problem(
                "python_version",
                f"{spec.python_exec} of {base} is Python {probe.python_version},"
                f" the spec wants {spec.python_version}",
                "leave python_exec or python_version out",
            )
        ]
    return []


def conda_problems(context: Context) -> list[Problem]:
    """Return what is wrong with the interpreter that conda packages brought."""
    spec, probe = context.spec, context.probe
    if fits(context):
        return []
    return [
        Problem(
            "conda_packages",
            f"bring Python {probe.python_version}, the spec wants {spec.python_version}",
            f"python_version: {'.'.join(probe.python_version.split('.')[:2])!r}, or other packages",
        )
    ]


def layer_problems(context: Context, of_base: int, layers: int, most: int) -> list[Problem]:
    """Return that an image has more layers than there may be, if it has.

    Args:
        context: The platform's context.
        of_base: How many layers its base has.
        layers: How many layers it has, the base's included.
        most: How many there may be.
    """
    if layers <= most:
        return []
    commands = context.spec.commands or ()
    what = f"makes {layers} layers, {of_base} of the base image; runtimes stack {most}"
    if len(commands) > layers - most:
        remedy = "join commands, each of which has a layer: [make && make install]"
        return [Problem("commands", what, remedy)]
    remedy = "use a base image with fewer layers, or one of its layers squashed"
    return [Problem("base_image", what, remedy)]


def fits(context: Context) -> bool:
    """Whether the interpreter found is there and of the version wanted."""
    found, wanted = context.probe.python_version, context.spec.python_version
    if not context.probe.python:
        return False
    parts = (wanted or "").split(".") if wanted else []
    return found.split(".")[: len(parts)] == parts
