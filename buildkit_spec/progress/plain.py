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

from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.step import Changes, LogLine, Step
from buildkit_spec.progress.text import moved_text, seconds_text
from buildkit_spec.values import Digest

TRANSFER_INTERVAL_S = 10.0
"""Seconds between two lines about what one step moves."""

SETTLING_S = 0.1
"""A silent step that ended this fast is told of later: its key was computed, its work may follow.

The daemon starts and ends a step once to learn its cache key and again to load or run it; only the
second tells whether it was cached. Source: ``solver/jobs.go`` ``sharedOp.CacheMap``.
"""


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
        self._told: dict[Digest, tuple[object, ...]] = {}
        self._settling: dict[Digest, Step] = {}
        self._moved_at: dict[Digest, float] = {}

    def show(self, changes: Changes) -> None:
        lines: dict[Digest, list[LogLine]] = {}
        for line in changes.lines:
            lines.setdefault(line.digest, []).append(line)
        for step in changes.steps:
            self._show_step(step, lines.pop(step.digest, []))
        for digest, orphans in lines.items():
            step = self._model.step(digest)
            if step is not None:
                self._show_lines(step, orphans)
        for warning in changes.warnings:
            step = self._model.step(warning.vertex)
            if step is not None:
                self._head(step)
                self._write(step, f"WARNING: {' '.join(warning.short.split())}")
        self._show_settled()

    def end(self, changes: Changes) -> None:
        for step in (*self._settling.values(), *changes.steps):
            self._show_end(step)
        self._settling.clear()

    def _show_step(self, step: Step, lines: list[LogLine]) -> None:
        self._settling.pop(step.digest, None)
        self._show_lines(step, lines)
        if not step.has_ended:
            if not step.is_internal:
                self._head(step)
            self._show_moved(step)
        elif self._may_go_on(step):
            self._settling[step.digest] = step
        else:
            self._show_end(step)

    def _may_go_on(self, step: Step) -> bool:
        return (
            step.state == "done"
            and step.digest not in self._told
            and not step.log_tail
            and step.duration_s < SETTLING_S
        )

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
        if step.total_bytes and not step.is_internal:
            now = self._clock()
            since = self._moved_at.setdefault(step.digest, now)
            if now - since >= TRANSFER_INTERVAL_S:
                self._moved_at[step.digest] = now
                self._write(step, moved_text(step))

    def _show_end(self, step: Step) -> None:
        ending = (step.state, step.error, step.ended_at)
        if self._told.get(step.digest) == ending:
            return
        is_first = step.digest not in self._told
        self._told[step.digest] = ending
        outcome = self._outcome(step)
        if step.is_internal and step.state != "failed" and step.digest not in self._headed:
            if is_first:
                self._write(step, f"{step.label} {outcome}")
            return
        self._head(step)
        for _, text in self._model.unfinished_lines(step.digest) if is_first else ():
            self._write(step, f"{step.duration_s:.3f} {text}")
        self._write(step, outcome)

    def _outcome(self, step: Step) -> str:
        if step.state == "failed":
            return f"ERROR: {step.error}"
        if step.state == "cancelled":
            return "CANCELED"
        if step.state == "cached":
            return "CACHED"
        moved = moved_text(step)
        return f"DONE {seconds_text(step.duration_s)}{f', {moved}' if moved else ''}"

    def _head(self, step: Step) -> None:
        if step.digest not in self._headed:
            self._headed.add(step.digest)
            self._write(step, step.label)

    def _write(self, step: Step, text: str) -> None:
        self._output.write_line(f"{self._prefix}#{step.number} {text}")
