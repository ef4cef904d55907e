"""Build container images from Python, on BuildKit, without a Dockerfile.

::

    from buildkit_spec import ImageSpec, build

    result = build(ImageSpec(packages=["pandas"], apt_packages=["git"], registry="ghcr.io/me"))
    print(result.reference)

This is the whole public surface. Names are imported when they are first used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names
from buildkit_spec._version import __version__

if TYPE_CHECKING:
    from buildkit_spec.builder import BuildkitBuilder
    from buildkit_spec.client import Tls
    from buildkit_spec.engine import ImageBuildEngine, build
    from buildkit_spec.errors import BuildkitSpecError
    from buildkit_spec.spec import BuilderConfig, BuilderOptions, CopyMode, ImageSpec, load_specs
    from buildkit_spec.values import (
        ArchiveOutput,
        BuildResult,
        Digest,
        ImageOutput,
        LoadOutput,
        LocalOutput,
        Platform,
        Reference,
        StepResult,
        parse_output,
    )

__all__ = [
    "ArchiveOutput",
    "BuildResult",
    "BuilderConfig",
    "BuilderOptions",
    "BuildkitBuilder",
    "BuildkitSpecError",
    "CopyMode",
    "Digest",
    "ImageBuildEngine",
    "ImageOutput",
    "ImageSpec",
    "LoadOutput",
    "LocalOutput",
    "Platform",
    "Reference",
    "StepResult",
    "Tls",
    "__version__",
    "build",
    "load_specs",
    "parse_output",
]

_MODULES = {
    "ArchiveOutput": "values",
    "BuildResult": "values",
    "BuilderConfig": "spec",
    "BuilderOptions": "spec",
    "BuildkitBuilder": "builder",
    "BuildkitSpecError": "errors",
    "CopyMode": "spec",
    "Digest": "values",
    "ImageBuildEngine": "engine",
    "ImageOutput": "values",
    "ImageSpec": "spec",
    "LoadOutput": "values",
    "LocalOutput": "values",
    "Platform": "values",
    "Reference": "values",
    "StepResult": "values",
    "Tls": "client",
    "build": "engine",
    "load_specs": "spec",
    "parse_output": "values",
}


__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
