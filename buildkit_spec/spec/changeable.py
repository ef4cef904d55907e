"""`Changeable`: a spec's fields, and the methods that return the spec with more of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from buildkit_spec.spec.dump import plain
from buildkit_spec.spec.fields import ImageSpecFields

_Spec = TypeVar("_Spec", bound="Changeable")


class Changeable(ImageSpecFields):
    """Fields that are never changed, but taken over into another spec with something more.

    Raises:
        SpecValidationError: A value is wrong, in every method; all problems at once.
    """

    def replace(self: _Spec, **changes: Any) -> _Spec:
        """Return the spec with other values; None takes a field out.

        Raises:
            SpecValidationError: A field is unknown or a value is wrong; all problems at once.
        """
        raise NotImplementedError

    def with_packages(self: _Spec, packages: str | Sequence[str]) -> _Spec:
        """Return the spec with more Python packages."""
        return self._extended("packages", packages)

    def with_apt_packages(self: _Spec, apt_packages: str | Sequence[str]) -> _Spec:
        """Return the spec with more Debian packages."""
        return self._extended("apt_packages", apt_packages)

    def with_conda_packages(
        self: _Spec, conda_packages: str | Sequence[str], channels: str | Sequence[str] = ()
    ) -> _Spec:
        """Return the spec with more conda packages, and channels to look for them in."""
        more = self._extended("conda_packages", conda_packages)
        return more._extended("conda_channels", channels) if channels else more

    def with_commands(self: _Spec, commands: str | Sequence[str]) -> _Spec:
        """Return the spec with more commands."""
        return self._extended("commands", commands)

    def with_copy(self: _Spec, src: str | Sequence[str]) -> _Spec:
        """Return the spec with more files or folders to copy."""
        return self._extended("copy", src)

    def with_runtime_packages(self: _Spec, runtime_packages: str | Sequence[str]) -> _Spec:
        """Return the spec with more packages that are installed when the container starts."""
        return self._extended("runtime_packages", runtime_packages)

    def with_requirements(self: _Spec, requirements: str | os.PathLike[str]) -> _Spec:
        """Return the spec with another requirements file."""
        return self.replace(requirements=requirements)

    def with_env(self: _Spec, env: Mapping[str, str]) -> _Spec:
        """Return the spec with more environment variables, or other values of those it has."""
        return self.replace(env=_merged(self.env or {}, env))

    def with_builder_options(self: _Spec, builder_options: Mapping[str, Any]) -> _Spec:
        """Return the spec with more builder options, or other values of those it has."""
        given, more = plain(self.builder_options), plain(builder_options)
        return self.replace(builder_options=_merged(given, more))

    def _extended(self: _Spec, field: str, more: str | Sequence[str]) -> _Spec:
        items = more if isinstance(more, (list, tuple)) else [more]
        return self.replace(**{field: (*(getattr(self, field) or ()), *items)})


def _merged(given: Mapping[str, Any], more: Any) -> Any:
    """Return both mappings as one; what is no mapping goes on, to be refused with its field."""
    return {**given, **more} if isinstance(more, Mapping) else more
