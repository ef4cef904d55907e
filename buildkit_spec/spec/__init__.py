"""What an image is to hold: the spec, its identity, its files, and how it is read."""

from __future__ import annotations

from buildkit_spec.spec.copy_mode import CopyMode
from buildkit_spec.spec.loader import load_specs
from buildkit_spec.spec.materials import requirement_files
from buildkit_spec.spec.model import ImageSpec
from buildkit_spec.spec.options import BuilderConfig, BuilderOptions
from buildkit_spec.spec.overrides import apply_overrides
from buildkit_spec.spec.requirements import RequirementFile, RequirementKind
from buildkit_spec.spec.selection import FileSelection, SelectedFile

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
    "load_specs",
    "requirement_files",
]
