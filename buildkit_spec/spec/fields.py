"""The fields of an image spec, each with the check that reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildkit_spec.spec import checks
from buildkit_spec.spec.checked import Checked, checked
from buildkit_spec.spec.copy_mode import CopyMode
from buildkit_spec.spec.options import BuilderConfig, BuilderOptions
from buildkit_spec.spec.packages import conda_channel, conda_package, debian_package, python_package
from buildkit_spec.spec.scalars import line, list_of, mapping_of, path, text


class ImageSpecFields(Checked):
    """The fields of `ImageSpec`, which says what they mean; all but ``base_image`` and ``copy``."""

    name: str = checked(checks.name, default="flytekit")
    python_version: str | None = checked(checks.python_version, default=None)
    builder: str | None = checked(line, default=None)
    source_root: str | None = checked(path, default=None)
    source_copy_mode: CopyMode | None = checked(CopyMode.read, default=None)
    env: Mapping[str, str] | None = checked(
        mapping_of(checks.variable, checks.variable_value), default=None
    )
    registry: str | None = checked(checks.registry, default=None)
    packages: Sequence[str] | None = checked(list_of(python_package), default=None)
    requirements: str | None = checked(path, default=None)
    conda_packages: Sequence[str] | None = checked(list_of(conda_package), default=None)
    conda_channels: Sequence[str] | None = checked(list_of(conda_channel), default=None)
    apt_packages: Sequence[str] | None = checked(list_of(debian_package), default=None)
    cuda: str | None = checked(checks.version, default=None)
    cudnn: str | None = checked(checks.version, default=None)
    platform: str | None = checked(checks.platform, default=None)
    pip_index: str | None = checked(checks.index_url, default=None)
    pip_extra_index_url: Sequence[str] | None = checked(list_of(checks.index_url), default=None)
    pip_extra_args: str | None = checked(checks.shell_words, default=None)
    pip_secret_mounts: Sequence[tuple[str, str]] | None = checked(
        list_of(checks.secret_mount), default=None
    )
    registry_config: str | None = checked(path, default=None)
    entrypoint: Sequence[str] | None = checked(list_of(text), default=None)
    commands: Sequence[str] | None = checked(list_of(text), default=None)
    tag_format: str | None = checked(checks.tag_format, default=None)
    python_exec: str | None = checked(line, default=None)
    runtime_packages: Sequence[str] | None = checked(list_of(python_package), default=None)
    builder_options: BuilderOptions = checked(BuilderOptions.read, default=BuilderOptions())
    builder_config: BuilderConfig = checked(BuilderConfig.read, default=BuilderConfig())
