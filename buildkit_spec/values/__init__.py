"""Values parsed once at the edge and never strings again.

Names are imported when they are first used: each dataclass costs start-up time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names

if TYPE_CHECKING:
    from buildkit_spec.values.digest import Digest
    from buildkit_spec.values.image import ResolvedImage
    from buildkit_spec.values.login import BearerToken, Credentials
    from buildkit_spec.values.output_text import parse_output
    from buildkit_spec.values.outputs import (
        ArchiveOutput,
        ImageOutput,
        LoadOutput,
        LocalOutput,
        Output,
    )
    from buildkit_spec.values.platform import Platform
    from buildkit_spec.values.reference import DOCKER_HUB, Reference
    from buildkit_spec.values.registry_config import RegistryConfig, RegistrySettings
    from buildkit_spec.values.result import BuildResult, StepResult
    from buildkit_spec.values.secret import BytesSecret, EnvSecret, FileSecret, SecretSource
    from buildkit_spec.values.status import (
        BuildWarning,
        LogChunk,
        StatusCallback,
        StatusUpdate,
        TransferStatus,
        VertexStatus,
    )

__all__ = [
    "DOCKER_HUB",
    "ArchiveOutput",
    "BearerToken",
    "BuildResult",
    "BuildWarning",
    "BytesSecret",
    "Credentials",
    "Digest",
    "EnvSecret",
    "FileSecret",
    "ImageOutput",
    "LoadOutput",
    "LocalOutput",
    "LogChunk",
    "Output",
    "Platform",
    "Reference",
    "RegistryConfig",
    "RegistrySettings",
    "ResolvedImage",
    "SecretSource",
    "StatusCallback",
    "StatusUpdate",
    "StepResult",
    "TransferStatus",
    "VertexStatus",
    "parse_output",
]

_MODULES = {
    "DOCKER_HUB": "reference",
    "ArchiveOutput": "outputs",
    "BearerToken": "login",
    "BuildResult": "result",
    "BuildWarning": "status",
    "BytesSecret": "secret",
    "Credentials": "login",
    "Digest": "digest",
    "EnvSecret": "secret",
    "FileSecret": "secret",
    "ImageOutput": "outputs",
    "LoadOutput": "outputs",
    "LocalOutput": "outputs",
    "LogChunk": "status",
    "Output": "outputs",
    "Platform": "platform",
    "Reference": "reference",
    "RegistryConfig": "registry_config",
    "RegistrySettings": "registry_config",
    "ResolvedImage": "image",
    "SecretSource": "secret",
    "StatusCallback": "status",
    "StatusUpdate": "status",
    "StepResult": "result",
    "TransferStatus": "status",
    "VertexStatus": "status",
    "parse_output": "output_text",
}


__getattr__ = lazy_names(__name__, _MODULES)
