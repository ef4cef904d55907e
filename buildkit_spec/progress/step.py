"""What a build looks like at one moment: steps, transfers, and what an update changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildkit_spec.values import BuildWarning, Digest

StepState = Literal["pending", "running", "done", "cached", "failed", "cancelled"]
"""Where a step stands; the last four are ends, though a daemon may start a step again."""

INTERNAL_PREFIX = "[internal]"
"""Names of steps that people did not ask for begin with it; displays fold them."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One thing moved inside a step.

    Attributes:
        id: What is moved, unique in its step; a digest or words.
        name: A word for what happens; may be empty.
        current_bytes: Moved so far.
        total_bytes: All there is; 0 when unknown.
        is_done: Whether it is complete.
        duration_s: How long it took, in seconds; 0 until it is complete.
    """

    id: str
    name: str
    current_bytes: int
    total_bytes: int
    is_done: bool
    duration_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a build as it stands now.

    Attributes:
        digest: Digest of its vertex.
        number: 1 for the step that was told of first; never changes. 0 before it began.
        name: What it is called, on one line.
        state: Where it stands.
        is_cached: Whether its result came from the cache.
        duration_s: How long it ran, in seconds, until now when it runs; 0 when it was cached.
        error: Why it failed, or empty.
        transfers: What it moves, in the order it began.
        log_tail: Its last lines, both streams, the unfinished one included.
        warnings: What the daemon wants said about it.
        group: Name of its progress group, or empty.
        has_inputs: Whether it makes something of other steps. What has none is a source, which is
            looked up anew each time, or an export; whether those are cached says nothing.
        ended_at: When it ended by the daemon's clock, in seconds since 1970; None before.
    """

    digest: Digest
    number: int
    name: str
    state: StepState
    is_cached: bool
    duration_s: float
    error: str
    transfers: tuple[Transfer, ...]
    log_tail: tuple[str, ...]
    warnings: tuple[BuildWarning, ...]
    group: str
    has_inputs: bool
    ended_at: float | None

    @property
    def is_internal(self) -> bool:
        """Whether displays fold it."""
        return self.name.startswith(INTERNAL_PREFIX)

    @property
    def has_ended(self) -> bool:
        """Whether it is done, cached, failed or cancelled."""
        return self.state not in ("pending", "running")

    @property
    def label(self) -> str:
        """Its name, with its group before it."""
        return f"{self.group}: {self.name}" if self.group else self.name

    @property
    def current_bytes(self) -> int:
        """Moved so far by all its transfers."""
        return sum(transfer.current_bytes for transfer in self.transfers)

    @property
    def total_bytes(self) -> int:
        """All that its transfers have to move; what has no known end counts as far as it is."""
        return sum(max(one.total_bytes, one.current_bytes) for one in self.transfers)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One whole line of a step's output.

    Attributes:
        digest: Digest of the step.
        stream: 1 for standard output, 2 for standard error.
        text: The line, without its end, escape sequences or control characters.
        offset_s: Seconds since the step began; 0 when unknown.
        at: When by the daemon's clock, in seconds since 1970; None when unknown.
    """

    digest: Digest
    stream: int
    text: str
    offset_s: float
    at: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one update changed.

    Attributes:
        steps: Steps that the update spoke of and that have begun, as they stand after it, in
            the order of their numbers.
        lines: Lines it ended, of steps that have begun, in the order of the stream.
        warnings: Its new warnings.
    """

    steps: tuple[Step, ...]
    lines: tuple[LogLine, ...] = ()
    warnings: tuple[BuildWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A build in figures; internal steps are left out unless they failed.

    Attributes:
        done: Steps that ran to their end.
        cached: Steps whose results came from the cache.
        failed: Steps that failed.
        cancelled: Steps that were stopped.
        running: Steps that run now.
        slowest: The step that ran longest; None when none did.
        is_all_cached: Whether there were steps with inputs and each came from the cache, internal
            ones too: nothing was made anew.
        duration_s: From the first step's start to the last thing told, in seconds.
    """

    done: int
    cached: int
    failed: int
    cancelled: int
    running: int
    slowest: Step | None
    is_all_cached: bool
    duration_s: float

    @property
    def total(self) -> int:
        """Steps that began."""
        return self.done + self.cached + self.failed + self.cancelled + self.running
