"""What a running build tells: the one status model that client, progress and builder share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from buildkit_spec.values.digest import Digest


@dataclass(frozen=True, slots=True)
class VertexStatus:
    """One step of the graph, as it stands now. The same step may be told many times.

    Attributes:
        digest: Digest of the vertex.
        name: What it is called.
        inputs: Digests of the vertices it builds on.
        started: When it began, UTC; None before.
        completed: When it ended, UTC; None before.
        is_cached: Whether its result came from the cache.
        error: Why it failed, or empty.
        group: Name of the progress group it belongs to, or empty.
    """

    digest: Digest
    name: str
    inputs: tuple[Digest, ...] = ()
    started: datetime | None = None
    completed: datetime | None = None
    is_cached: bool = False
    error: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """Progress of one thing inside a step: a layer pulled, a context sent, a layer pushed.

    Attributes:
        id: What is moved, unique in its vertex.
        vertex: Digest of the step it belongs to.
        name: A word for what happens, such as ``pushing``.
        current: Done so far, in bytes unless the name says otherwise.
        total: All there is; 0 when unknown.
        started: When it began, UTC.
        completed: When it ended, UTC; None before.
    """

    id: str
    vertex: Digest
    name: str = ""
    current: int = 0
    total: int = 0
    started: datetime | None = None
    completed: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a step's output: not always whole lines.

    Attributes:
        vertex: Digest of the step.
        stream: 1 for standard output, 2 for standard error.
        data: The bytes as they came.
        timestamp: When, UTC.
    """

    vertex: Digest
    stream: int
    data: bytes
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class BuildWarning:
    """Something the daemon wants said about a step.

    Attributes:
        vertex: Digest of the step.
        short: One line.
        details: More lines.
        url: Where to read on, or empty.
    """

    vertex: Digest
    short: str
    details: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """One message of the status stream.

    Attributes:
        vertices: Steps that are new or changed.
        transfers: Movements that are new or changed.
        logs: New output.
        warnings: New warnings.
    """

    vertices: tuple[VertexStatus, ...] = ()
    transfers: tuple[TransferStatus, ...] = ()
    logs: tuple[LogChunk, ...] = ()
    warnings: tuple[BuildWarning, ...] = field(default=())


StatusCallback = Callable[[StatusUpdate], None]
"""Told what happens, on a thread of the build."""
