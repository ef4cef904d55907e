"""The one model of a running build that every display shows.

A status stream is not a script: a daemon repeats a step, starts it again after its end, ends steps
in any order and splits output anywhere. What is kept of each step is therefore a *join* of all that
was said about it, the same in whatever order it was said; only output has an order of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

from buildkit_spec.progress.lines import LineSplitter, one_line
from buildkit_spec.progress.step import Changes, LogLine, Step, StepState, Summary, Transfer
from buildkit_spec.values import (
    BuildWarning,
    Digest,
    LogChunk,
    StatusUpdate,
    TransferStatus,
    VertexStatus,
)

LOG_TAIL_LINES = 20
"""Lines of output kept of each step."""

_CANCELLED_ENDS = ("context canceled", "context cancelled")

_NEVER = float("-inf")


class BuildModel:
    """A build as its status stream tells it.

    Not safe to use from several threads at once: a display locks around it.

    Args:
        clock: Seconds of this machine, for the elapsed time of what runs. The daemon's clock may
            be another one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[Digest, _Record] = {}
        self._begun = 0
        self._finished_at: float | None = None
        self.latest: float | None = None
        """The latest moment the stream told of, in seconds since 1970; None before any."""

    def apply(self, update: StatusUpdate) -> Changes:
        """Take one message of the status stream and return what it changed."""
        touched: dict[Digest, _Record] = {}
        now = self._clock()

        def touch(digest: Digest) -> _Record:
            record = self._records.get(digest)
            if record is None:
                record = self._records[digest] = _Record(digest)
            touched[digest] = record
            return record

        for vertex in update.vertices:
            touch(vertex.digest).learn(vertex, now)
            self._notice(_moment(vertex))
        newly = [one for one in touched.values() if one.has_begun and not one.number]
        for record in sorted(newly, key=lambda one: (one.began, one.digest)):
            self._begun += 1
            record.number = self._begun
        for transfer in update.transfers:
            touch(transfer.vertex).learn_transfer(transfer)
            self._notice(max(_seconds(transfer.started), _seconds(transfer.completed)))
        lines: list[LogLine] = []
        for chunk in update.logs:
            record = touch(chunk.vertex)
            ended = record.learn_log(chunk)
            lines += ended if record.has_begun else ()
            self._notice(_seconds(chunk.timestamp))
        warnings = [one for one in update.warnings if touch(one.vertex).learn_warning(one)]
        steps = (self._step(one, now) for one in touched.values() if one.has_begun)
        return Changes(
            tuple(sorted(steps, key=lambda step: step.number)), tuple(lines), tuple(warnings)
        )

    def finish(self) -> Changes:
        """Say that the stream is over: what still runs was cut off and counts as cancelled."""
        now = self._clock()
        cut = [one for one in self._records.values() if one.state == "running"]
        self._finished_at = now
        steps = (self._step(one, now) for one in cut)
        return Changes(tuple(sorted(steps, key=lambda step: step.number)))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step that began, in the order they began by the daemon's clock."""
        begun = (one for one in self._records.values() if one.has_begun)
        now = self._clock()
        return tuple(
            self._step(one, now) for one in sorted(begun, key=lambda one: (one.began, one.digest))
        )

    @property
    def pending(self) -> tuple[Step, ...]:
        """Every step that was told of and has not begun, by digest; many never do."""
        waiting = (
            one for one in self._records.values() if one.status is not None and not one.has_begun
        )
        return tuple(self._step(one, 0.0) for one in sorted(waiting, key=lambda one: one.digest))

    def step(self, digest: Digest) -> Step | None:
        """Return the step with this digest; None when it was never told of."""
        record = self._records.get(digest)
        return None if record is None else self._step(record, self._clock())

    def unfinished_lines(self, digest: Digest) -> tuple[tuple[int, str], ...]:
        """Return stream and text of the lines of a step that no newline has ended."""
        record = self._records.get(digest)
        return () if record is None else record.unfinished_lines()

    def summary(self) -> Summary:
        """Count the steps that began."""
        counts: dict[StepState, int] = {}
        slowest: Step | None = None
        made = [step.is_cached for step in self.steps if step.has_inputs]
        for step in self.steps:
            if step.is_internal and step.state != "failed":
                continue
            counts[step.state] = counts.get(step.state, 0) + 1
            if step.duration_s > (slowest.duration_s if slowest else 0):
                slowest = step
        first = min((one.began for one in self._records.values() if one.has_begun), default=None)
        return Summary(
            done=counts.get("done", 0),
            cached=counts.get("cached", 0),
            failed=counts.get("failed", 0),
            cancelled=counts.get("cancelled", 0),
            running=counts.get("running", 0),
            slowest=slowest,
            is_all_cached=bool(made) and all(made),
            duration_s=0.0 if first is None or self.latest is None else self.latest - first,
        )

    def _notice(self, moment: float) -> None:
        if moment > (_NEVER if self.latest is None else self.latest):
            self.latest = moment

    def _step(self, record: _Record, now: float) -> Step:
        state = record.state
        if self._finished_at is not None:
            now = self._finished_at
            if state == "running":
                return record.step("cancelled", now)
        return record.step(state, now)


class _Record:
    """All that was said about one vertex."""

    __slots__ = (
        "_intervals",
        "_running_since",
        "_splitters",
        "_tail",
        "_transfers",
        "_warnings",
        "digest",
        "number",
        "status",
    )

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        self.number = 0
        self.status: VertexStatus | None = None
        self._intervals: dict[float, float] = {}
        self._running_since = 0.0
        self._transfers: dict[str, TransferStatus] = {}
        self._splitters: dict[int, LineSplitter] = {}
        self._tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        self._warnings: dict[BuildWarning, None] = {}

    @property
    def has_begun(self) -> bool:
        return bool(self._intervals)

    @property
    def began(self) -> float:
        return min(self._intervals)

    @property
    def state(self) -> StepState:
        status = self.status
        if status is None or not self._intervals:
            return "pending"
        if status.completed is None:
            return "running"
        if status.error:
            is_cancelled = status.error.rstrip().endswith(_CANCELLED_ENDS)
            return "cancelled" if is_cancelled else "failed"
        return "cached" if status.is_cached else "done"

    def learn(self, vertex: VertexStatus, now: float) -> None:
        """Join what is said now with what was said before; order and repetition do not matter.

        The message about the latest moment says how the step stands. The daemon tells of an input
        as cached when a step that needs it starts, even while that input runs: the input's own
        end comes later and counts.

        Source: ``solver/progress.go`` ``vertexStream.append``.
        """
        if self.status is None or _rank(vertex) > _rank(self.status):
            before = self.status
            self.status = vertex
            if before is None or before.started != vertex.started:
                self._running_since = now
        begin = vertex.started or vertex.completed
        if begin is not None:
            start, stop = _seconds(begin), _seconds(vertex.completed)
            self._intervals[start] = max(stop, self._intervals.get(start, _NEVER))

    def learn_transfer(self, transfer: TransferStatus) -> None:
        before = self._transfers.get(transfer.id)
        if before is None or _transfer_rank(transfer) > _transfer_rank(before):
            self._transfers[transfer.id] = transfer

    def learn_log(self, chunk: LogChunk) -> list[LogLine]:
        splitter = self._splitters.get(chunk.stream)
        if splitter is None:
            splitter = self._splitters[chunk.stream] = LineSplitter()
        texts = splitter.feed(chunk.data)
        self._tail.extend(texts)
        at = None if chunk.timestamp is None else _seconds(chunk.timestamp)
        offset = 0.0
        if at is not None and self._intervals:
            offset = max(0.0, at - max(self._intervals))
        return [LogLine(self.digest, chunk.stream, text, offset, at) for text in texts]

    def learn_warning(self, warning: BuildWarning) -> bool:
        is_new = warning not in self._warnings
        self._warnings[warning] = None
        return is_new

    def unfinished_lines(self) -> tuple[tuple[int, str], ...]:
        partial = ((stream, self._splitters[stream].partial) for stream in sorted(self._splitters))
        return tuple((stream, text) for stream, text in partial if text)

    def step(self, state: StepState, now: float) -> Step:
        status = self.status
        tail = (*self._tail, *(text for _, text in self.unfinished_lines()))
        has_end = status is not None and status.completed is not None
        return Step(
            digest=self.digest,
            number=self.number,
            name=one_line(status.name) if status else "",
            state=state,
            is_cached=state == "cached",
            duration_s=self._duration_s(state, now),
            error=one_line(status.error) if status else "",
            transfers=tuple(
                _transfer(one)
                for one in sorted(
                    self._transfers.values(), key=lambda one: (_seconds(one.started), one.id)
                )
            ),
            log_tail=tail[-LOG_TAIL_LINES:],
            warnings=tuple(sorted(self._warnings, key=repr)),
            group=one_line(status.group) if status else "",
            has_inputs=bool(status and status.inputs),
            ended_at=_seconds(status.completed) if status and has_end else None,
        )

    def _duration_s(self, state: StepState, now: float) -> float:
        if state in ("cached", "pending"):
            return 0.0
        total = 0.0
        covered_to = _NEVER
        for start, stop in sorted(self._intervals.items()):
            if stop > max(start, covered_to):
                total += stop - max(start, covered_to)
                covered_to = stop
        if self.status is not None and self.status.completed is None:
            total += max(0.0, now - self._running_since)
        return total


def _seconds(moment: datetime | None) -> float:
    if moment is None:
        return _NEVER
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def _moment(vertex: VertexStatus) -> float:
    return max(_seconds(vertex.started), _seconds(vertex.completed))


def _rank(vertex: VertexStatus) -> tuple[object, ...]:
    """Order the messages about one vertex: the last is the one that counts."""
    return (
        _moment(vertex),
        vertex.completed is not None,
        _seconds(vertex.started),
        vertex.error,
        vertex.is_cached,
        vertex.name,
        vertex.group,
        vertex.inputs,
    )


def _transfer_rank(transfer: TransferStatus) -> tuple[object, ...]:
    return (
        _seconds(transfer.started),
        _seconds(transfer.completed),
        transfer.current,
        transfer.total,
        transfer.name,
    )


def _transfer(transfer: TransferStatus) -> Transfer:
    return Transfer(
        one_line(transfer.id),
        one_line(transfer.name),
        max(0, transfer.current),
        max(0, transfer.total),
        transfer.completed is not None,
        max(0.0, _seconds(transfer.completed) - _seconds(transfer.started))
        if transfer.completed is not None and transfer.started is not None
        else 0.0,
    )
