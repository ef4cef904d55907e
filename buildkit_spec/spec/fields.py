"""The fields of an image spec, each with the check that reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from buildkit_spec.spec import checks
from buildkit_spec.spec.copy_mode import CopyMode
from buildkit_spec.spec.options import BuilderConfig, BuilderOptions
from buildkit_spec.spec.packages import conda_package, debian_package, python_package
from buildkit_spec.spec.scalars import line, list_of, mapping_of, path, text

_Lines = Annotated[Sequence[str] | None, PlainValidator(list_of(line))]
_Texts = Annotated[Sequence[str] | None, PlainValidator(list_of(text))]
_PythonPackages = Annotated[Sequence[str] | None, PlainValidator(list_of(python_package))]
_DebianPackages = Annotated[Sequence[str] | None, PlainValidator(list_of(debian_package))]
_CondaPackages = Annotated[Sequence[str] | None, PlainValidator(list_of(conda_package))]
CopyPaths = Annotated[Sequence[str] | None, PlainValidator(list_of(checks.copy_path))]
_IndexUrl = Annotated[str | None, PlainValidator(checks.index_url)]
_IndexUrls = Annotated[Sequence[str] | None, PlainValidator(list_of(checks.index_url))]
_SecretMounts = Annotated[
    Sequence[tuple[str, str]] | None, PlainValidator(list_of(checks.secret_mount))
]
_Environment = Annotated[
    Mapping[str, str] | None, PlainValidator(mapping_of(checks.variable, checks.variable_value))
]
_Line = Annotated[str | None, PlainValidator(line)]
_Path = Annotated[str | None, PlainValidator(path)]
_Version = Annotated[str | None, PlainValidator(checks.version)]
_PythonVersion = Annotated[str | None, PlainValidator(checks.python_version)]
_Registry = Annotated[str | None, PlainValidator(checks.registry)]
_Platform = Annotated[str | None, PlainValidator(checks.platform)]
_Shell = Annotated[str | None, PlainValidator(checks.shell_words)]
_TagFormat = Annotated[str | None, PlainValidator(checks.tag_format)]
_Mode = Annotated[CopyMode | None, PlainValidator(CopyMode.read)]


class ImageSpecFields(BaseModel):
    """The fields of `ImageSpec`, which says what they mean; all but ``base_image`` and ``copy``."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        defer_build=True,  # only `ImageSpec` is ever made
    )

    name: Annotated[str, PlainValidator(checks.name)] = "flytekit"
    python_version: _PythonVersion = None
    builder: _Line = None
    source_root: _Path = None
    source_copy_mode: _Mode = None
    env: _Environment = None
    registry: _Registry = None
    packages: _PythonPackages = None
    requirements: _Path = None
    conda_packages: _CondaPackages = None
    conda_channels: _Lines = None
    apt_packages: _DebianPackages = None
    cuda: _Version = None
    cudnn: _Version = None
    platform: _Platform = None
    pip_index: _IndexUrl = None
    pip_extra_index_url: _IndexUrls = None
    pip_extra_args: _Shell = None
    pip_secret_mounts: _SecretMounts = None
    registry_config: _Path = None
    entrypoint: _Texts = None
    commands: _Texts = None
    tag_format: _TagFormat = None
    python_exec: _Line = None
    runtime_packages: _PythonPackages = None
    builder_options: Annotated[BuilderOptions, PlainValidator(BuilderOptions.read)] = (
        BuilderOptions()
    )
    builder_config: Annotated[BuilderConfig, PlainValidator(BuilderConfig.read)] = BuilderConfig()
