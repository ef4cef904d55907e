"""What the process' environment says about images; imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping

from buildkit_spec.errors import SpecError

IMAGE_ID = "_F_IMG_ID"
"""Set in an image to the id of its spec. Source: flytekit ``image_spec.py``."""

FORCE_PUSH = "FLYTE_FORCE_PUSH_IMAGE_SPEC"
"""Build and push even when the image is there."""

PUSH = "FLYTE_PUSH_IMAGE_SPEC"
"""Push what names a registry; on by default."""

DEFAULT_IMAGE = "FLYTE_INTERNAL_IMAGE"
"""Replaces the default base image."""

_EXECUTION = "FLYTE_INTERNAL_EXECUTION_ID"

_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("", "0", "false", "no", "off"), False),
}


def flag(name: str, env: Mapping[str, str] = os.environ, *, default: bool = False) -> bool:
    """Return a switch of the environment: 1/true/yes/on, or 0/false/no/off and empty.

    Args:
        name: The variable.
        env: The environment.
        default: Its value when it is not set.

    Raises:
        SpecError: It says something else; flytekit takes that, and the empty text, for true.
    """
    value = env.get(name)
    if value is None:
        return default
    try:
        return _WORDS[value.strip().lower()]
    except KeyError:
        raise SpecError(
            f"{name} is neither true nor false: {value!r}", remedy=f"export {name}=true"
        ) from None


def is_inside(id: str, env: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in the image of the spec with *id*, or in no image at all.

    - In an image that was built from a spec: whether it is this one.
    - In a Flyte task whose image is from no spec: no.
    - Anywhere else, as on a laptop: yes, because there every task runs in this one process.
    """
    inside = env.get(IMAGE_ID)
    return inside == id if inside else not env.get(_EXECUTION)
