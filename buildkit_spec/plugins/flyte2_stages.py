"""A chain of specs that grows by parts: a part joins the last spec where that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.environment import IMAGE_ID
from buildkit_spec.spec.materials import material_problems
from buildkit_spec.spec.origin import Origin
from buildkit_spec.values.secret import SecretSource


class Rank(IntEnum):
    """Where a part stands within one spec: those of a higher rank are done later."""

    APT = 1
    PYTHON = 2
    COMMANDS = 3
    FILES = 4


class Stages:
    """The chain.

    Args:
        base: Reference of the base image.
        name: Name of the image.
        platform: Its platforms, joined with commas.

    Raises:
        SpecValidationError: One of them is none.
    """

    def __init__(self, base: str, name: str, platform: str) -> None:
        self._first = base
        self._base: str | ImageSpec = base
        self._common = {"name": name, "platform": platform}
        self._check({}, {}, None)
        self._env: dict[str, str] = {}
        self._user: dict[str, Any] = {}
        self._clear()

    def _clear(self) -> None:
        self._fields: dict[str, Any] = {}
        self._options: dict[str, Any] = {}
        self._origin = Origin()
        self._ranks: set[Rank] = set()

    def add(
        self,
        rank: Rank,
        fields: Mapping[str, Any],
        *,
        options: Mapping[str, Any] | None = None,
        secrets: Mapping[str, SecretSource] | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Add a part: to the last spec if it would come last there too, else to a new one.

        Debian packages and Python packages may change places: wheels ask nothing of the system, and
        what is built from source is built after both.

        Args:
            rank: What it is.
            fields: Fields of a spec.
            options: Builder options.
            secrets: What its steps find while they run; a spec's parts must agree on them.
            origin: Where its files are.

        Raises:
            SpecValidationError: It cannot be built, whatever it is built with.
        """
        given = {**(options or {}), "step_secrets": dict(secrets or {})}
        self._check(fields, given, origin)
        if not self._takes(rank, given):
            self.close()
        for name, value in fields.items():
            known = self._fields.get(name)
            self._fields[name] = [*known, *value] if isinstance(known, list) else value
        self._options.update(given)
        self._origin = origin or self._origin
        self._ranks.add(rank)

    def _check(
        self, fields: Mapping[str, Any], options: Mapping[str, Any], origin: Origin | None
    ) -> None:
        """Refuse a part while it is known which layer it is of."""
        whole = {**self._common, **fields, "base_image": self._first, "builder_options": options}
        problems = material_problems(ImageSpec.make(whole, origin or Origin()))
        if problems:
            raise SpecValidationError(problems)

    def _takes(self, rank: Rank, options: Mapping[str, Any]) -> bool:
        if not self._ranks:
            return True
        if any(self._options.get(name, value) != value for name, value in options.items()):
            return False
        highest = max(self._ranks)
        if rank is Rank.COMMANDS:
            return highest <= Rank.COMMANDS
        # One resolution is not two; files go below the commands of their spec, not upon them.
        return highest <= Rank.PYTHON and (rank is not Rank.PYTHON or rank not in self._ranks)

    def set_env(self, env: Mapping[str, str]) -> None:
        """Let later steps see the variables."""
        self.close()
        self._env.update(env)
        self._env.pop("SOURCE_DATE_EPOCH", None)  # the builder's own

    def set_user(self, user: str, home: str) -> None:
        """Let the image run as *user*, who is there, and later files be theirs."""
        self._user = {"user": user, "workdir": home}

    def close(self) -> None:
        """End the last spec: what comes is built on it."""
        if self._ranks:
            self._base = self._made()
            self._clear()

    def finish(
        self, *, env: Mapping[str, str], image_id: str, workdir: str, labels: Mapping[str, str]
    ) -> ImageSpec:
        """Return the outermost spec, with the image's config."""
        self.close()
        self._options = {"image_id": image_id, "workdir": workdir, "labels": dict(labels)}
        self._fields = {"env": {name: env[name] for name in env if name != IMAGE_ID}}
        return self._made()

    def _made(self) -> ImageSpec:
        options = {"plain": True, "build_env": dict(self._env), **self._user, **self._options}
        self._user = {}
        fields = {
            **self._common,
            **self._fields,
            "base_image": self._base,
            "builder_options": options,
        }
        return ImageSpec.make(fields, self._origin)
