"""The log for CI: one event a line, each naming its step, none ever rewritten.

::

    #3 [apt] install jq
    #3 0.412 Get:1 trixie/main jq
    #3 DONE 0.4s
    #4 [internal] load local sources DONE 0.1s

Lines of steps that run at once are mixed; ``grep '^#3 '`` has them apart. With several builds each
line begins with the build's name.
"""

from __future__ import annotations

from collections.abc import Callable

from buildkit_spec.progress.lines import one_line
from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.step import Changes, LogLine, Step
from buildkit_spec.progress.text import moved_text, seconds_text
from buildkit_spec.values import Digest

TRANSFER_INTERVAL_S = 10.0
"""Seconds between two lines about what one step moves."""

SETTLING_S = 0.5
"""A silent step that ended this fast is told of this much later: more may follow.

The daemon starts and ends a step once to learn its cache key and again to load or run it, and
sources once for every step that needs them. Source: ``solver/jobs.go`` ``sharedOp.CacheMap``.
"""

_TOLD_TRANSFER_S = 0.5
"""A transfer of words, not of a layer (``pushing layers``), is told of when it took this long."""


class PlainFace:
    """Writes what happens as plain lines.

    Args:
        output: Where to.
        clock: Seconds of this machine; paces the lines about transfers.
    """

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self._output = output
        self._clock = clock
        self._builds: dict[str, _PlainBuild] = {}

    def show(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Write what an update of a build changed."""
        self._build(build, model).show(changes)

    def end(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Write what was still held back of a build."""
        self._build(build, model).end(changes)

    def close(self) -> None:
        """Nothing is left open."""

    def _build(self, name: str, model: BuildModel) -> _PlainBuild:
        if name not in self._builds:
            self._builds[name] = _PlainBuild(name, model, self._output, self._clock)
        return self._builds[name]


class _PlainBuild:
    """The lines of one build."""

    def __init__(
        self, name: str, model: BuildModel, output: Output, clock: Callable[[], float]
    ) -> None:
        self._prefix = f"{name} " if name else ""
        self._model = model
        self._output = output
        self._clock = clock
        self._headed: set[Digest] = set()
        self._told: dict[Digest, str] = {}
        self._told_transfers: set[tuple[Digest, str]] = set()
        self._settling: dict[Digest, Step] = {}
        self._moved_at: dict[Digest, float] = {}

    def show(self, changes: Changes) -> None:
        lines: dict[Digest, list[LogLine]] = {}
        for line in changes.lines:
            lines.setdefault(line.digest, []).append(line)
        for step in changes.steps:
            self._show_step(step, lines.pop(step.digest, []))
        told_of = {step.digest: step for step in changes.steps}
        for warning in changes.warnings:
            if warning.vertex in told_of:
                step = told_of[warning.vertex]
                self._head(step)
                self._write(step, f"WARNING: {one_line(warning.short)}")
        self._show_settled()

    def end(self, changes: Changes) -> None:
        for step in (*self._settling.values(), *changes.steps):
            self._show_end(step)
        self._settling.clear()

    def _show_step(self, step: Step, lines: list[LogLine]) -> None:
        self._settling.pop(step.digest, None)
        self._show_lines(step, lines)
        if not step.is_internal and not step.has_ended:
            self._head(step)
        if step.digest in self._headed:
            self._show_moved(step)
        if not step.has_ended:
            return
        if _may_go_on(step):
            self._settling[step.digest] = step
        else:
            self._show_end(step)

    def _show_settled(self) -> None:
        latest = self._model.latest
        for step in tuple(self._settling.values()):
            if latest is not None and latest - (step.ended_at or 0.0) >= SETTLING_S:
                del self._settling[step.digest]
                self._show_end(step)

    def _show_lines(self, step: Step, lines: list[LogLine]) -> None:
        if lines:
            self._head(step)
        for line in lines:
            self._write(step, f"{line.offset_s:.3f} {line.text}".rstrip())

    def _show_moved(self, step: Step) -> None:
        for transfer in step.transfers:
            key = (step.digest, transfer.id)
            if transfer.duration_s >= _TOLD_TRANSFER_S and key not in self._told_transfers:
                self._told_transfers.add(key)
                if "sha256:" not in transfer.id:
                    self._write(step, f"{transfer.id} {seconds_text(transfer.duration_s)}")
        if step.total_bytes and not step.has_ended:
            now = self._clock()
            since = self._moved_at.setdefault(step.digest, now)
            if now - since >= TRANSFER_INTERVAL_S:
                self._moved_at[step.digest] = now
                self._write(step, moved_text(step))

    def _show_end(self, step: Step) -> None:
        outcome = _outcome(step)
        before = self._told.get(step.digest)
        if outcome == before:
            return
        self._told[step.digest] = outcome
        if step.is_internal and step.state != "failed" and step.digest not in self._headed:
            if before is None:
                self._write(step, f"{step.label} {outcome}")
            return
        self._head(step)
        if before is None:
            for _, text in self._model.unfinished_lines(step.digest):
                self._write(step, f"{step.duration_s:.3f} {text}")
        self._write(step, outcome)

    def _head(self, step: Step) -> None:
        if step.digest not in self._headed:
            self._headed.add(step.digest)
            self._write(step, step.label)

    def _write(self, step: Step, text: str) -> None:
        self._output.write_line(f"{self._prefix}#{step.number} {text}")


def _may_go_on(step: Step) -> bool:
    return step.state == "done" and not step.log_tail and step.duration_s < SETTLING_S


def _outcome(step: Step) -> str:
    if step.state == "failed":
        return f"ERROR: {step.error}"
    if step.state == "cancelled":
        return "CANCELED"
    if step.state == "cached":
        return "CACHED"
    moved = moved_text(step)
    return f"DONE {seconds_text(step.duration_s)}{f', {moved}' if moved else ''}"
