"""`History`: the builds that a daemon remembers, and what it keeps of them.

Source: ``control/control.go``, ``solver/llbsolver/history.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from buildkit_spec._pb import content
from buildkit_spec._pb import control as pb
from buildkit_spec.client._calls import CALL_ERRORS, Req, Res, begin, begin_stream, cancel
from buildkit_spec.client._errors import translate
from buildkit_spec.client._status import decode
from buildkit_spec.errors import BuildkitSpecError, InvalidValueError

if TYPE_CHECKING:
    import grpc

    from buildkit_spec._pb._method import Method
    from buildkit_spec._pb.timestamp import Timestamp
    from buildkit_spec.client.address import Address
    from buildkit_spec.values import StatusCallback

State = Literal["running", "done", "failed", "cancelled"]

_COUNTING_S = 5.0
_LATEST = re.compile(r"\^(\d+)")
_CANCELLED = ("context canceled", "CANCELED")


@dataclass(frozen=True, slots=True)
class Blob:
    """Something that the daemon keeps of a build.

    Attributes:
        role: ``logs``, ``trace``, ``result``, ``attestation`` or ``error``.
        media_type: What it is.
        digest: Its digest.
        size_bytes: Its size.
        annotations: What is said of it.
    """

    role: str
    media_type: str
    digest: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """A build that a daemon remembers.

    Attributes:
        ref: The build's id.
        name: What its image is called; empty without one.
        state: What became of it.
        error: What it failed with, or empty.
        created: When it began, UTC.
        completed: When it ended, UTC; None while it runs.
        exporters: What became of its result, by the exporters' types.
        answers: What they answered, by BuildKit's names.
        step_count: How many steps it had.
        cached_count: How many of them came from the cache.
        warning_count: How many warnings it gave.
        is_pinned: Whether the daemon keeps it for good.
        blobs: What the daemon keeps of it.
    """

    ref: str
    name: str
    state: State
    error: str
    created: datetime | None
    completed: datetime | None
    exporters: tuple[str, ...]
    answers: Mapping[str, str]
    step_count: int
    cached_count: int
    warning_count: int
    is_pinned: bool
    blobs: tuple[Blob, ...]

    @property
    def duration_s(self) -> float | None:
        """How long it took, in seconds; None while it runs."""
        if self.created is None or self.completed is None:
            return None
        return (self.completed - self.created).total_seconds()


class History:
    """The builds that one daemon remembers.

    Every method raises UnsupportedCapabilityError when the daemon keeps no history, and DaemonError
    when it went away.

    Args:
        channel: To the daemon.
        address: The daemon's, for messages.
    """

    def __init__(self, channel: grpc.Channel, address: Address) -> None:
        self._channel = channel
        self._address = address

    def records(self) -> tuple[BuildRecord, ...]:
        """Return all builds, the latest first; those that run are among them."""
        return tuple(decode_build(one) for one in self.raw_records())

    def raw_records(self, ref: str = "") -> list[pb.BuildHistoryRecord]:
        """Return all builds as they came over the wire, the latest first.

        Args:
            ref: Only that one.
        """
        request = pb.BuildHistoryRequest(EarlyExit=True, Ref=ref)
        found: dict[str, pb.BuildHistoryRecord] = {}
        for event in self._stream(pb.Control.ListenBuildHistory, request):
            if event.type == pb.DELETED:
                found.pop(event.record.Ref, None)
            elif event.HasField("record"):
                found[event.record.Ref] = event.record
        return sorted(found.values(), key=lambda one: -_ns(one.CreatedAt))

    def running_count(self) -> int:
        """Return how many builds run now.

        Raises:
            DeadlineExceededError: The daemon does not say, as one that stands still.
        """
        request = pb.BuildHistoryRequest(ActiveOnly=True, EarlyExit=True)
        events = self._stream(pb.Control.ListenBuildHistory, request, timeout_s=_COUNTING_S)
        return len({event.record.Ref for event in events if event.HasField("record")})

    def find(self, text: str) -> BuildRecord:
        """Return one build.

        Args:
            text: Its id or how that begins; or ``^N``, the one N builds before the latest.

        Raises:
            InvalidValueError: No build or several are meant.
        """
        records = self.records()
        latest = _LATEST.fullmatch(text)
        if latest is not None:
            found = records[int(latest[1]) :][:1]
        else:
            found = tuple(one for one in records if text and one.ref.startswith(text))
            found = tuple(one for one in found if one.ref == text) or found
        if len(found) != 1:
            why = "several builds begin so" if found else "the daemon remembers no such build"
            raise InvalidValueError(text, why, remedy="buildkit-spec history ls")
        return found[0]

    def replay(self, ref: str, on_status: StatusCallback) -> None:
        """Tell again what happened in a build; of one that runs, until it ends.

        Args:
            ref: The build's whole id.
            on_status: Told on this thread.

        Raises:
            SolveError: The daemon has it no more.
        """
        for message in self._stream(pb.Control.Status, pb.StatusRequest(Ref=ref)):
            on_status(decode(message))

    def remove(self, ref: str) -> None:
        """Forget a build; what it made stays.

        Args:
            ref: Its whole id.
        """
        self._update(pb.UpdateBuildHistoryRequest(Ref=ref, Delete=True))

    def finish(self, record: BuildRecord) -> None:
        """Have the daemon write down what it still gathers of a build that is over: its trace."""
        # One that does not know the word takes it as a change of the other.
        request = pb.UpdateBuildHistoryRequest(
            Ref=record.ref, Finalize=True, Pinned=record.is_pinned
        )
        self._update(request)

    def read(self, digest: str) -> Iterator[bytes]:
        """Yield the contents of a blob in pieces.

        Args:
            digest: The blob's.

        Raises:
            SolveError: The daemon has it no more.
        """
        request = content.ReadContentRequest(digest=digest)
        for piece in self._stream(content.Content.Read, request):
            yield piece.data

    def _update(self, request: pb.UpdateBuildHistoryRequest) -> None:
        call = begin(self._channel, pb.Control.UpdateBuildHistory, request)
        try:
            call.result()
        except CALL_ERRORS as error:
            raise self._failure(error) from error

    def _stream(
        self, method: Method[Req, Res], request: Req, *, timeout_s: float | None = None
    ) -> Iterator[Res]:
        stream = begin_stream(self._channel, method, request, timeout_s=timeout_s)
        try:
            yield from stream
        except CALL_ERRORS as error:
            raise self._failure(error) from error
        finally:
            cancel(stream)  # for those who stop iterating

    def _failure(self, error: Exception) -> BuildkitSpecError:
        return translate(error, self._address)


def decode_build(record: pb.BuildHistoryRecord) -> BuildRecord:
    """Return a build as a value."""
    names = [one.Attrs["name"] for one in record.Exporters if "name" in one.Attrs]
    blobs = list(_blobs(record))
    return BuildRecord(
        ref=record.Ref,
        name=record.ExporterResponse.get("image.name") or next(iter(names), ""),
        state=_state(record),
        error=record.error.message,
        created=_time(record.CreatedAt),
        completed=_time(record.CompletedAt) if record.HasField("CompletedAt") else None,
        exporters=tuple(one.Type for one in record.Exporters),
        answers=dict(record.ExporterResponse),
        step_count=record.numTotalSteps,
        cached_count=record.numCachedSteps,
        warning_count=record.numWarnings,
        is_pinned=record.pinned,
        blobs=tuple({blob.digest: blob for blob in reversed(blobs)}.values())[::-1],
    )


def _blobs(record: pb.BuildHistoryRecord) -> Iterator[Blob]:
    if record.HasField("trace"):
        yield _blob("trace", record.trace)
    if record.HasField("logs"):
        yield _blob("logs", record.logs)
    for _, result in [("", record.Result), *sorted(record.Results.items())]:
        yield from (_blob("attestation", one) for one in result.Attestations)
        yield from (_blob("result", one) for _, one in sorted(result.Results.items()))
    if record.HasField("externalError"):
        yield _blob("error", record.externalError)


def _blob(role: str, one: pb.Descriptor) -> Blob:
    return Blob(role, one.media_type, one.digest, one.size, dict(one.annotations))


def _state(record: pb.BuildHistoryRecord) -> State:
    if not record.HasField("CompletedAt"):
        return "running"
    if not record.HasField("error"):
        return "done"
    is_cancelled = any(word in record.error.message for word in _CANCELLED)
    return "cancelled" if is_cancelled else "failed"


def _ns(time: Timestamp) -> int:
    return time.seconds * 10**9 + time.nanos


def _time(time: Timestamp) -> datetime | None:
    return datetime.fromtimestamp(_ns(time) / 1e9, tz=timezone.utc) if _ns(time) else None
