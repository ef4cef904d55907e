"""`Placed`: a spec as it stands somewhere: where its paths start, and what it is for by default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from buildkit_spec.spec.changeable import Changeable
from buildkit_spec.spec.defaults import default_base_image, default_platform
from buildkit_spec.spec.environment import FORCE_PUSH, flag
from buildkit_spec.spec.origin import Origin
from buildkit_spec.values import Platform


class Placed(Changeable):
    """Fields, and where they were given."""

    @property
    def origin(self) -> Origin:
        """Where the spec was made."""
        found: Origin = vars(self)["origin_"]
        return found

    @property
    def root(self) -> Path:
        """Directory that relative paths start from, absolute."""
        return self.origin.root

    @property
    def is_forced(self) -> bool:
        """Whether to build and push even when the image is there.

        Raises:
            SpecError: ``FLYTE_FORCE_PUSH_IMAGE_SPEC`` says neither true nor false.
        """
        return self.origin.is_forced or flag(FORCE_PUSH)

    def resolve(self, path: str) -> Path:
        """Return a path of the spec as an absolute one; ``~`` is the user's home."""
        with suppress(RuntimeError):  # nobody has the name behind the ~
            return self.root / Path(path).expanduser()
        return self.root / path

    def platforms(self, machine: str | None = None) -> tuple[Platform, ...]:
        """Return what the image runs on, at least one.

        By default ``linux/amd64``, also on other machines; for a registry on this machine
        (``localhost:``) its own kind when that is arm64.

        Args:
            machine: This machine's kind as ``uname -m`` has it; by default it is asked.
        """
        if self.platform:
            return tuple(map(Platform.parse, self.platform.split(",")))
        return (default_platform(self.registry or "", machine),)

    def default_base_image(self, env: Mapping[str, str] = os.environ) -> str:
        """Return the base image when the spec names none.

        Raises:
            SpecValidationError: There is none with the spec's Python.
        """
        return default_base_image(self.python_version or "", env)
