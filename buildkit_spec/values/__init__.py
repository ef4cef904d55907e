"""Values parsed once at the edge and never strings again."""

from __future__ import annotations

from buildkit_spec.values.digest import Digest
from buildkit_spec.values.image import ResolvedImage
from buildkit_spec.values.login import BearerToken, Credentials
from buildkit_spec.values.platform import Platform
from buildkit_spec.values.reference import DOCKER_HUB, Reference
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
    "BearerToken",
    "BuildResult",
    "BuildWarning",
    "BytesSecret",
    "Credentials",
    "Digest",
    "EnvSecret",
    "FileSecret",
    "LogChunk",
    "Platform",
    "Reference",
    "ResolvedImage",
    "SecretSource",
    "StatusCallback",
    "StatusUpdate",
    "StepResult",
    "TransferStatus",
    "VertexStatus",
]
