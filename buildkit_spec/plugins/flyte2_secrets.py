"""Secrets of Flyte 2's layers: where they come from, and where a step finds them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flyte import Secret as FlyteSecret

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.values.secret import EnvSecret, FileSecret, SecretSource

if TYPE_CHECKING:
    from flyte import Secret

_FOLDER = Path("/etc/secrets")


def step_secrets(
    mounts: Iterable[str | Secret] | None, env: Mapping[str, str] = os.environ
) -> dict[str, SecretSource]:
    """Return the secrets of a layer, by variable or by absolute path.

    Args:
        mounts: As the layer has them.
        env: The environment that may hold them.

    Raises:
        SpecValidationError: One is neither in the environment nor a file; all of them at once.

    Source: flyte 2.12 ``docker_builder.py``, ``_get_secret_commands``.
    """
    found: dict[str, SecretSource] = {}
    missing: list[Problem] = []
    for one in mounts or ():
        secret = FlyteSecret(key=one) if isinstance(one, str) else one
        words = [word for word in (secret.group, secret.key) if word]
        variable, file = "_".join(words).upper(), _FOLDER / "_".join(words)
        place = str(secret.mount) if secret.mount else str(secret.as_env_var)
        if env.get(variable):
            found[place] = EnvSecret(variable)
        elif file.is_file():
            found[place] = FileSecret(str(file))
        else:
            message = f"{secret.key} is neither in {variable} nor in {file}"
            missing.append(Problem("secret_mounts", message, f"export {variable}=…"))
    if missing:
        raise SpecValidationError(missing)
    return found
