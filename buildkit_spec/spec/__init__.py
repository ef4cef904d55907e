"""What an image is to hold: the spec, its identity, its files, and how it is read.

Names are imported when they are first used: what asks the environment a question needs no pydantic,
and what makes a spec in Python needs no YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names

if TYPE_CHECKING:
    from buildkit_spec.spec.copy_mode import CopyMode
    from buildkit_spec.spec.environment import flag
    from buildkit_spec.spec.loader import load_specs
    from buildkit_spec.spec.materials import requirement_files
    from buildkit_spec.spec.model import ImageSpec
    from buildkit_spec.spec.options import BuilderConfig, BuilderOptions
    from buildkit_spec.spec.overrides import apply_overrides
    from buildkit_spec.spec.registry_config import registries_of
    from buildkit_spec.spec.requirements import RequirementFile, RequirementKind
    from buildkit_spec.spec.selection import FileSelection, SelectedFile

_MODULES = {
    "BuilderConfig": "options",
    "BuilderOptions": "options",
    "CopyMode": "copy_mode",
    "FileSelection": "selection",
    "ImageSpec": "model",
    "RequirementFile": "requirements",
    "RequirementKind": "requirements",
    "SelectedFile": "selection",
    "apply_overrides": "overrides",
    "flag": "environment",
    "load_specs": "loader",
    "registries_of": "registry_config",
    "requirement_files": "materials",
}

__all__ = [
    "BuilderConfig",
    "BuilderOptions",
    "CopyMode",
    "FileSelection",
    "ImageSpec",
    "RequirementFile",
    "RequirementKind",
    "SelectedFile",
    "apply_overrides",
    "flag",
    "load_specs",
    "registries_of",
    "requirement_files",
]


__getattr__ = lazy_names(__name__, _MODULES)
