"""What a daemon says of itself: version, workers, cache records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec._pb import control, worker

SNAPSHOTTER = "org.mobyproject.buildkit.worker.snapshotter"
"""Worker label: what keeps its file systems. Source: ``worker/label/label.go``."""


@dataclass(frozen=True, slots=True)
class DaemonInfo:
    """A daemon's version.

    Attributes:
        package: Whose BuildKit it is, such as ``github.com/moby/buildkit``; empty when unsaid.
        version: Its version; empty when unsaid.
        revision: Commit it was built from; empty when unsaid.
    """

    package: str
    version: str
    revision: str


@dataclass(frozen=True, slots=True)
class GcRule:
    """When a worker removes pieces of its cache by itself; of several rules all are applied.

    Attributes:
        filters: Which pieces; a piece has to fit one of these. Empty for all.
        is_all: Internal and shared ones too.
        keep_duration_s: Pieces used in the last so many seconds stay.
        reserved_bytes: So much of the cache stays in any case.
        max_used_bytes: More than that is removed; 0 for no such limit.
        min_free_bytes: So much of the disk is to be free; 0 for no such limit.
    """

    filters: tuple[str, ...] = ()
    is_all: bool = False
    keep_duration_s: float = 0
    reserved_bytes: int = 0
    max_used_bytes: int = 0
    min_free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """Something that runs steps.

    Attributes:
        id: Its id.
        labels: Such as the executor and the snapshotter.
        platforms: What it can run, its own first.
        gc_rules: When it removes pieces of its cache by itself.
    """

    id: str
    labels: Mapping[str, str]
    platforms: tuple[Platform, ...]
    gc_rules: tuple[GcRule, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One piece of the build cache.

    Attributes:
        id: Its id.
        size_bytes: Its size on disk.
        kind: Such as ``regular``, ``source.local``, ``exec.cachemount``.
        description: What made it.
        is_in_use: Whether a build uses it now.
        is_shared: Whether an image uses it too.
        is_mutable: Whether it may still change.
        use_count: How often it was used.
        created: When it was made, UTC.
        last_used: When it was used last, UTC; None for never.
        parents: Ids of those it lies upon.
    """

    id: str
    size_bytes: int
    kind: str
    description: str
    is_in_use: bool
    is_shared: bool
    is_mutable: bool
    use_count: int
    created: datetime | None
    last_used: datetime | None
    parents: tuple[str, ...] = ()


def decode_worker(record: worker.WorkerRecord) -> Worker:
    """Return a worker as a value."""
    platforms = tuple(
        Platform.parse("/".join(filter(None, (one.OS, one.Architecture, one.Variant))))
        for one in record.platforms
    )
    rules = tuple(
        GcRule(
            tuple(one.filters),
            one.all,
            one.keepDuration / 1e9,
            one.reservedSpace,
            one.maxUsedSpace,
            one.minFreeSpace,
        )
        for one in record.GCPolicy
    )
    return Worker(record.ID, dict(record.Labels), platforms, rules)


def decode_record(record: control.UsageRecord) -> CacheRecord:
    """Return a cache record as a value."""
    return CacheRecord(
        record.ID,
        record.Size,
        record.RecordType,
        record.Description,
        record.InUse,
        record.Shared,
        record.Mutable,
        record.UsageCount,
        _time(record.CreatedAt.seconds),
        _time(record.LastUsedAt.seconds),
        tuple(record.Parents or filter(None, (record.Parent,))),
    )


def _time(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds > 0 else None
