"""`ImageSpec`: what a container image is to hold."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from buildkit_spec.errors import FileChangedError, Problem, SpecValidationError
from buildkit_spec.spec import identity, materials
from buildkit_spec.spec.checked import checked
from buildkit_spec.spec.checks import copy_path
from buildkit_spec.spec.copy_mode import CopyMode
from buildkit_spec.spec.defaults import pinned_requirements
from buildkit_spec.spec.dump import plain
from buildkit_spec.spec.environment import is_inside
from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.laws import broken_laws
from buildkit_spec.spec.local_requirements import LocalRequirement
from buildkit_spec.spec.origin import Identity, Origin
from buildkit_spec.spec.placed import Placed
from buildkit_spec.spec.problems import Refusal
from buildkit_spec.spec.scalars import kind_of, list_of
from buildkit_spec.spec.selection import FileSelection
from buildkit_spec.values.secret import SecretSource

_MAX_NESTING = 16


class ImageSpec(Placed):
    """What a container image is to hold. It never changes; ``with_*`` methods return new ones.

    Fields and their meaning are flytekit's. Files are looked at when the tag, the name or a build
    asks for them, not before: inside a container they are not there.

    Relative paths start from the YAML file's folder, or, for a spec made in Python, from the
    directory that was current at that moment. In the image, copied files keep their relative path
    below ``/root``.

    Attributes:
        name: Repository name; lower case.
        python_version: Such as ``"3.12"``; by default the base image's Python.
        builder: Name of the builder; by default the registered one of the highest priority.
        source_root: Folder whose files go to ``/root``, as ``source_copy_mode`` says.
        source_copy_mode: `CopyMode`; ``auto`` when only a ``source_root`` is given.
        copy: Files and folders to copy whole, to the same path below ``/root``.
        env: Environment variables.
        registry: Registry and account, such as ``ghcr.io/me``; without one nothing is pushed.
        packages: Python packages (PEP 508).
        requirements: Requirements file; its name tells its kind, see `RequirementKind`.
        conda_packages: Conda packages.
        conda_channels: Where to look for them, in this order.
        apt_packages: Debian packages.
        cuda: CUDA version.
        cudnn: cuDNN version.
        base_image: Reference, or a spec that is built first; by default Flyte's own image.
        platform: One or several, joined with commas; see `platforms`.
        pip_index: URL of the package index used instead of the public one.
        pip_extra_index_url: URLs of indexes asked beside it.
        pip_extra_args: Further arguments of the installer, quoted as in a shell.
        pip_secret_mounts: Pairs of a file here and where the installer finds it.
        registry_config: Registry settings file.
        entrypoint: Program and arguments; empty clears the base image's.
        commands: Shell commands run at the end, each in a step of its own.
        tag_format: Format of the tag, with ``{spec_hash}``.
        python_exec: Interpreter to install into.
        runtime_packages: Python packages installed when the container starts.
        builder_options: See `BuilderOptions`.
        builder_config: See `BuilderConfig`.

    Raises:
        SpecValidationError: A field is unknown or a value is wrong; all problems at once.

    Source: flytekit 1.16 ``image_spec/image_spec.py``.
    """

    base_image: str | ImageSpec | None = checked(image_reference, default=None)
    copy: Sequence[str] | None = checked(list_of(copy_path), default=None)

    # --- making

    @classmethod
    def parse(cls, data: Mapping[str, object], origin: Origin) -> tuple[ImageSpec, list[Problem]]:
        """Return a spec of what is valid in *data*, and everything that is not.

        Args:
            data: Fields by name; None stands for a field that is not given.
            origin: Where the spec is made.
        """
        spec = cls.__new__(cls)
        return spec, spec._fill(data, origin)

    @classmethod
    def make(cls, data: Mapping[str, object], origin: Origin) -> ImageSpec:
        """Return the spec of *data*; see `parse`.

        Raises:
            SpecValidationError: There are problems; all of them.
        """
        spec, problems = cls.parse(data, origin)
        if problems:
            raise SpecValidationError(problems)
        return spec

    @classmethod
    def from_yaml(cls, source: str | os.PathLike[str]) -> ImageSpec:
        """Read a YAML file, or YAML text.

        Args:
            source: A path; or text, if it has a line break or names no file.

        Raises:
            SpecError: The file cannot be read, is no YAML, or the spec is wrong: then all problems
                at once, each with line and column, missing files too.
        """
        from buildkit_spec.spec.yaml_file import read_spec

        return read_spec(source)

    @classmethod
    def from_flytekit(cls, spec: Any) -> ImageSpec:
        """Return our spec of what a ``flytekit.ImageSpec`` says; its base spec too.

        Fields mean the same. The name of the builder is left out, and id and tag are ours.

        Args:
            spec: A spec of flytekit 1.

        Raises:
            SpecValidationError: A value is wrong, which flytekit may not have told; all of them.
        """
        from buildkit_spec.spec.from_flytekit import translate

        return translate(spec)

    @classmethod
    def from_env(cls, *, pinned_packages: Sequence[str] | None = None, **fields: Any) -> ImageSpec:
        """Return a spec with this process' Python, and packages pinned to what is installed here.

        Args:
            pinned_packages: Names of installed packages.
            **fields: Fields of the spec, but not ``python_version``.

        Raises:
            SpecValidationError: A package is not installed, or a field is wrong.
        """
        if fields.get("python_version") is not None:
            problem = Problem("python_version", "can not be used with `from_env`", "leave it out")
            raise SpecValidationError([problem])
        pinned = pinned_requirements(pinned_packages or ())
        fields["python_version"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        spec = cls(**fields)
        return spec.with_packages(pinned) if pinned else spec

    def replace(self, **changes: Any) -> ImageSpec:
        """Return the spec with other values; None takes a field out.

        Raises:
            SpecValidationError: A field is unknown or a value is wrong; all problems at once.
        """
        origin = replace(self.origin, identity=None, folders=None)
        return self.make({**self.given, **changes}, origin)

    def force_push(self) -> ImageSpec:
        """Return the spec with the wish to build and push even when the image is there."""
        return self._moved(replace(self.origin, is_forced=True))

    def locked(self) -> ImageSpec:
        """Return the spec with the wish to install what its lock says, and to resolve nothing.

        Without a lock that fits, building it is refused. ``buildkit-spec lock`` writes one.
        """
        return self._moved(replace(self.origin, is_locked=True))

    def known_as(self, id: str, tag: str, source: tuple[str, ...] | None = None) -> ImageSpec:
        """Return the spec under the names that another tool gives it; a changed spec loses them.

        Args:
            id: What stands for the spec inside its image, in place of our `id`.
            tag: The image's tag; asking for it is an error once the files are not what they are
                now.
            source: The files of ``source_root``, relative to it, if that tool chose them.

        Raises:
            SpecValidationError: Files are missing; all of them.
            SpecError: A file cannot be read.
        """
        named = replace(self.origin, identity=Identity(id, tag), source=source, folders=None)
        spec = self._moved(named)
        contents = identity.short_hash(identity.contents(spec))
        return spec._moved(replace(spec.origin, identity=Identity(id, tag, contents)))

    def with_lock(self, path: Path | None) -> ImageSpec:
        """Return the spec with the file its lock stands in, there or not; None is no lock."""
        return self._moved(replace(self.origin, lock=path))

    def with_tools(self, images: Mapping[str, str]) -> ImageSpec:
        """Return the spec as it is, id and all, but with these images in ``builder_config``."""
        spec = self._moved(self.origin)
        vars(spec)["id"] = self.id
        vars(spec)["builder_config"] = self.builder_config.with_images(images)
        return spec

    # --- identity

    @cached_property
    def id(self) -> str:
        """What stands for the spec inside its image: 26 letters and digits; see `identity`."""
        given = self.origin.identity
        return given.id if given else identity.short_hash(identity.declared(self))

    @property
    def tag(self) -> str:
        """The image's tag: covers what is declared and all contents. See `identity`.

        The files are read every time, so that a change is never missed: keep the value where one
        answer must hold.

        Raises:
            SpecValidationError: Files are missing; all of them.
            SpecError: A file cannot be read.
            FileChangedError: Another tool gave the tag, for files that have changed since.
        """
        spec_hash = identity.short_hash(identity.contents(self))
        given = self.origin.identity
        if given and spec_hash == given.contents:
            return given.tag
        if given and given.contents:
            raise FileChangedError(
                f"files of {self.name} changed since its tag was made: {given.tag}",
                path=self.source_root or "",
                remedy="build again; nothing was pushed",
            )
        return self.tag_format.format(spec_hash=spec_hash) if self.tag_format else spec_hash

    def image_name(self) -> str:
        """Return registry, name and tag; see `tag` for cost and errors."""
        name = f"{self.name}:{self.tag}"
        return f"{self.registry}/{name}" if self.registry else name

    def as_found(self) -> ImageSpec:
        """Return the spec with its folders as they are when first looked at, its bases' likewise.

        Its tag, and a build of it, are then of the same files: those that are there at that moment.
        """
        return self if self.origin.folders is not None else self._looked_at(keeps=True)

    def is_still(self, tag: str) -> bool:
        """Whether the tag, looked at anew, is still this one.

        Of a spec `as_found` only the folders in which something was touched are read again.

        Raises:
            SpecValidationError: Files are missing; all of them.
            SpecError: A file cannot be read.
        """
        spec = self if materials.is_as_found(self) else self._looked_at(keeps=False)
        return spec.tag == tag

    def is_container(self) -> bool:
        """Whether this process runs in the spec's image, or in no image at all.

        Guards imports of what only this image holds; see `is_inside`.
        """
        return is_inside(self.id)

    def __hash__(self) -> int:
        return hash(self.id)

    # --- what a build asks

    def with_modules(self, files: tuple[Path, ...]) -> ImageSpec:
        """Return the spec, and its base specs, with the files of the modules loaded with it."""
        base = self.base_image
        spec = (
            self.replace(base_image=base.with_modules(files))
            if isinstance(base, ImageSpec)
            else self
        )
        return spec._moved(replace(self.origin, modules=files, folders=None))

    def local_requirements(self) -> tuple[LocalRequirement, ...]:
        """Return the Python packages that are folders or files of this machine.

        Raises:
            SpecValidationError: A requirements file is missing.
        """
        return materials.local_requirements(self)

    def lock_text(self) -> bytes | None:
        """Return the lock of the Python packages; None when there is none.

        Raises:
            SpecError: It cannot be read.
        """
        return materials.lock_text(self)

    def copy_selection(self) -> FileSelection | None:
        """Return the files ``copy`` names; None when it names none."""
        return materials.copy_selection(self)

    def source_selection(self) -> FileSelection | None:
        """Return the files of the source root; None when none are to be copied."""
        return materials.source_selection(self)

    def secret_sources(self) -> dict[str, SecretSource]:
        """Return where the secrets of the build steps come from, by id.

        Returns:
            ``pip-0``, ``pip-1`` … for ``pip_secret_mounts``, and the ids of
            ``builder_options.secrets``; paths are absolute.
        """
        return materials.secret_sources(self)

    # --- text

    def to_yaml(self) -> str:
        """Return the spec as YAML: the fields that were given, with logins in URLs as they are."""
        from buildkit_spec.spec.yaml_text import yaml_text

        return yaml_text(plain(self))

    # --- inside

    def _read_field(self, name: str, value: object) -> object:
        return self._read_base(value) if name == "base_image" else super()._read_field(name, value)

    def _read_base(self, value: object) -> str | ImageSpec:
        if isinstance(value, ImageSpec):
            return value
        if isinstance(value, Mapping):
            depth, inner = 0, value.get("base_image")
            while isinstance(inner, Mapping):
                depth, inner = depth + 1, inner.get("base_image")
                if depth > _MAX_NESTING:
                    raise Refusal(f"is nested more than {_MAX_NESTING} deep")
            spec, problems = self.parse(value, self.origin)
            if problems:
                raise Refusal(problems=problems)
            return spec
        if not isinstance(value, str):
            raise Refusal(f"is {kind_of(value)}, neither text nor a spec", "write python:3.12-slim")
        return value if value == "scratch" else image_reference(value)

    def _fill(self, data: Mapping[str, object], origin: Origin | None = None) -> list[Problem]:
        vars(self)["origin_"] = origin or Origin()
        problems = super()._fill(data)
        if self.source_root is not None and self.source_copy_mode is None:
            vars(self)["source_copy_mode"] = CopyMode.LOADED_MODULES
        order = self.fields()
        known = [problem for problem in problems if _top(problem) in order]
        unknown = [problem for problem in problems if _top(problem) not in order]
        known += broken_laws(self, {_top(problem) for problem in known})
        return sorted(known, key=lambda problem: order.index(_top(problem))) + unknown

    def _values(self) -> Iterator[object]:
        yield from super()._values()
        yield self.origin

    def _looked_at(self, *, keeps: bool) -> ImageSpec:
        """Return the spec, and its base specs, with a memory for what is found, or with none."""
        spec = self._moved(replace(self.origin, folders={} if keeps else None))
        if isinstance(self.base_image, ImageSpec):
            vars(spec)["base_image"] = self.base_image._looked_at(keeps=keeps)
        return spec

    def _moved(self, origin: Origin) -> ImageSpec:
        spec = copy.copy(self)
        vars(spec).pop("id", None)  # the origin may give another one
        vars(spec)["origin_"] = origin
        return spec


def _top(problem: Problem) -> str:
    """Return the field of the spec that a problem is about."""
    return problem.field.partition(".")[0].partition("[")[0]
