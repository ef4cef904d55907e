"""flytekit's image spec as one of ours, with the names that flytekit gives it.

Flyte's own images are what tasks expect: user ``flytekit``, files in ``/root``, which is on
``PYTHONPATH`` and writable (fast registration unpacks code there), and ``pyflyte-execute``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from buildkit_spec._version import __version__
from buildkit_spec.plugins.flytekit import LABEL
from buildkit_spec.plugins.flytekit_ahead import fresh, plain_name
from buildkit_spec.plugins.flytekit_needs import lacking, needed_packages, with_needed
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.environment import DEFAULT_IMAGE
from buildkit_spec.spec.from_flytekit import translate

_USER = "flytekit"


def to_ours(
    spec: Any, bases: Mapping[str, Any], tell: Callable[[str], object] = lambda _: None
) -> ImageSpec:
    """Return our spec of flytekit's, called as flytekit calls it, with the files it has now.

    Args:
        spec: As flytekit hands it to a builder, or with a base image that is a spec.
        bases: flytekit's specs that are bases, by image name.
        tell: Told what may be missing in the image; by default nobody is.

    Raises:
        SpecValidationError: A value is wrong, or files are missing; all of them.
        SpecError: A file cannot be read.
    """
    options = getattr(spec, "builder_options", None) or {}  # a field of 1.16
    base, own_base = spec.base_image, None
    if isinstance(base, str) and base.partition("@")[0] in bases:
        own_base = bases[base.partition("@")[0]]
    elif base is not None and not isinstance(base, str):
        own_base = base
    if base is None:
        base, has_flytekit = _default_base(spec.python_version)
    elif own_base is not None:
        has_flytekit = spec.python_version in (None, own_base.python_version)
        if not isinstance(base, str) or not own_base.registry:
            base = to_ours(own_base, bases)  # one without a registry is no image anywhere
    else:
        has_flytekit = False
    made = translate(
        spec,
        base_image=base,
        builder_options={
            "user": _USER,
            "like_flyte": True,
            **options,
            "labels": {**options.get("labels", {}), LABEL: f"buildkit-spec {__version__}"},
        },
    )
    needed = needed_packages(spec, has_flytekit=has_flytekit)
    for package in lacking(made, needed):
        tell(
            f"{spec.requirements} does not lock {package}, which Flyte needs in the image: "
            "lock it, unless the base image has it."
        )
    made = with_needed(made, needed)
    tag = plain_name(spec).rpartition(":")[2]
    return made.known_as(container_id(spec, bases), tag, _source_files(spec))


def container_id(spec: Any, bases: Mapping[str, Any]) -> str:
    """Return the id that the spec has inside its container.

    There nobody registers: what a registration filled in, the source root of this machine and
    with it the copy mode, is not there. flytekit's own builder bakes the id with both, which
    never matches. An absolute source root cannot have been there, so it is what tells.
    """
    from flytekit.constants import CopyFileDetection

    if not spec.source_root or not Path(spec.source_root).is_absolute():
        return str(spec.id)
    made = fresh(spec)
    made.source_root = None
    if made.source_copy_mode is CopyFileDetection.LOADED_MODULES:
        made.source_copy_mode = None
    if isinstance(made.base_image, str):
        made.base_image = bases.get(made.base_image.partition("@")[0], made.base_image)
    return str(made.id)


def _default_base(python_version: Any) -> tuple[str, bool]:
    """Return the image for a spec that names none, and whether flytekit is in it.

    It is flytekit's own choice, for this Python when the spec says no version.
    """
    from flytekit.configuration.default_images import DefaultImages, PythonVersion

    version = str(python_version or f"{sys.version_info.major}.{sys.version_info.minor}")
    if python_version is None or os.environ.get(DEFAULT_IMAGE):
        try:
            return DefaultImages.default_image(), python_version is None
        except (KeyError, ValueError):
            return f"python:{version}-slim", False
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
        image = DefaultImages.find_image_for(PythonVersion((major, minor)))
        return image, version.count(".") == 1
    except (KeyError, ValueError):
        return f"python:{version}-slim", False


def _source_files(spec: Any) -> tuple[str, ...] | None:
    """Return the files of the source root by flytekit's own rules; None without a root."""
    from flytekit.constants import CopyFileDetection
    from flytekit.tools.ignore import DockerIgnore, GitIgnore, IgnoreGroup, StandardIgnore
    from flytekit.tools.script_mode import ls_files

    if spec.source_copy_mode in (None, CopyFileDetection.NO_COPY) or not spec.source_root:
        return None
    root = str(spec.source_root)
    ignore = IgnoreGroup(root, [GitIgnore, DockerIgnore, StandardIgnore])
    files, _ = ls_files(root, spec.source_copy_mode, deref_symlinks=False, ignore_group=ignore)
    return tuple(sorted({Path(os.path.relpath(file, root)).as_posix() for file in files}))
