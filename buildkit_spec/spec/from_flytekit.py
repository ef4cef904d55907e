"""flytekit's `ImageSpec` in our words. flytekit itself is not needed: fields are read by name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from buildkit_spec.errors import SpecError, SpecValidationError
from buildkit_spec.spec.model import ImageSpec
from buildkit_spec.spec.origin import Origin

_AMBIGUOUS = {3.1, 3.2}
"""What YAML makes of 3.10 and 3.20; other versions keep their digits as numbers."""


def translate(spec: Any, **changes: Any) -> ImageSpec:
    """Return our spec of a flytekit one; see `ImageSpec.from_flytekit`.

    Args:
        spec: A ``flytekit.ImageSpec``.
        **changes: Fields with other values than the spec's; None takes one out.

    Raises:
        SpecError: It is something else.
        SpecValidationError: A value is wrong; all of them.
    """
    if not is_dataclass(spec) or isinstance(spec, type):
        raise SpecError(
            f"not a flytekit ImageSpec: {type(spec).__name__}",
            remedy="pass an object of flytekit.ImageSpec",
        )
    data = {field.name: getattr(spec, field.name) for field in fields(spec)} | changes
    data["builder"] = None  # who would build it there
    version = data.get("python_version")
    if isinstance(version, (int, float)) and version not in _AMBIGUOUS:
        data["python_version"] = str(version)
    if is_dataclass(data.get("base_image")):
        data["base_image"] = translate(data["base_image"])
    origin = Origin(is_forced=bool(getattr(spec, "_is_force_push", False)))
    given = {name: value for name, value in data.items() if value is not None}
    made, problems = ImageSpec.parse(given, origin)
    if problems:
        raise SpecValidationError(problems, source=f"ImageSpec {data.get('name', '')!r}")
    return made
