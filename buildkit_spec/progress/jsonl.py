"""JSON lines: one object for each event, for programs.

Every object has ``type``, ``time`` and, when several builds share the display, ``build``. Fields
are only ever added; an unknown type is to be skipped. A daemon may start a step again after its
end: the last object about a step counts.

===========  =======================================================================================
field        meaning
===========  =======================================================================================
type         ``step`` (began or ended), ``transfer``, ``log``, ``warning`` or ``summary`` (last)
time         the event's time by the daemon's clock, ISO 8601 in UTC; null when it told none
build        name of the build
step         the step's number, from 1, unique in its build
digest       digest of the step's vertex
name         what the step is called
group        its progress group; left out when it has none
state        of a step: ``running``, ``done``, ``cached``, ``failed``, ``cancelled``
duration_s   of a step that ended, and of the summary: seconds
error        of a failed or cancelled step
bytes        ``{"current": …, "total": …}``; total is 0 when unknown. Of a transfer, and of a step
             that ended and moved something
transfer     what is moved: its id
is_done      of a transfer: whether it is complete
log          of a log line: its text, without its end
stream       of a log line: 1 standard output, 2 standard error
warning, url of a warning: its one line, and where to read on
done, cached, failed, cancelled   of a summary: numbers of steps, internal ones left out
===========  =======================================================================================
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

from buildkit_spec.progress.lines import one_line
from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.step import Changes, Step, Transfer

TRANSFER_STEPS = 10
"""A transfer is told of when it begins, when it is complete, and this often between."""

_KEEP = ("time",)
"""Keys that stand even when they are null."""


class JsonFace:
    """Writes what happens as JSON lines.

    Args:
        output: Where to.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told: dict[tuple[str, object], object] = {}

    def show(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Write what an update of a build changed."""
        told_of = {step.digest: step for step in changes.steps}
        for step in changes.steps:
            if not step.has_ended:
                self._show_step(build, model, step)
            for transfer in step.transfers:
                self._show_transfer(build, model, step, transfer)
        for line in changes.lines:
            step = told_of[line.digest]
            self._write("log", line.at, build, step, stream=line.stream, log=line.text)
        for warning in changes.warnings:
            if warning.vertex in told_of:
                step, short = told_of[warning.vertex], one_line(warning.short)
                url = warning.url or None
                self._write("warning", model.latest, build, step, warning=short, url=url)
        for step in changes.steps:
            if step.has_ended:
                self._show_step(build, model, step)

    def end(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Write what was cut off, and the summary of a build."""
        for step in changes.steps:
            self._show_step(build, model, step)
        summary = model.summary()
        self._write(
            "summary",
            model.latest,
            build,
            None,
            duration_s=round(summary.duration_s, 3),
            done=summary.done,
            cached=summary.cached,
            failed=summary.failed,
            cancelled=summary.cancelled,
        )

    def close(self) -> None:
        """Nothing is left open."""

    def _show_step(self, build: str, model: BuildModel, step: Step) -> None:
        state = (step.state, step.ended_at, step.error)
        if not self._is_news((build, step.digest), state):
            return
        if step.has_ended:
            for stream, text in model.unfinished_lines(step.digest):
                if self._is_news((build, (step.digest, stream)), text):
                    self._write("log", step.ended_at, build, step, stream=stream, log=text)
        moved = {"current": step.current_bytes, "total": step.total_bytes}
        self._write(
            "step",
            step.ended_at if step.has_ended and step.ended_at is not None else model.latest,
            build,
            step,
            state=step.state,
            duration_s=round(step.duration_s, 3) if step.has_ended else None,
            error=step.error or None,
            bytes=moved if step.has_ended and step.total_bytes else None,
        )

    def _show_transfer(self, build: str, model: BuildModel, step: Step, transfer: Transfer) -> None:
        total = transfer.total_bytes
        tenth = transfer.current_bytes * TRANSFER_STEPS // total if total else 0
        if self._is_news((build, (step.digest, transfer.id)), (tenth, transfer.is_done)):
            self._write(
                "transfer",
                model.latest,
                build,
                step,
                transfer=transfer.id,
                bytes={"current": transfer.current_bytes, "total": total},
                is_done=transfer.is_done,
            )

    def _is_news(self, key: tuple[str, object], value: object) -> bool:
        if self._told.get(key) == value:
            return False
        self._told[key] = value
        return True

    def _write(
        self, type: str, at: float | None, build: str, step: Step | None, **fields: object
    ) -> None:
        entry: dict[str, object] = {"type": type, "time": _time_text(at), "build": build or None}
        if step is not None:
            entry |= {"step": step.number, "digest": str(step.digest), "name": step.name}
            entry["group"] = step.group or None
        entry |= fields
        told = {key: value for key, value in entry.items() if value is not None or key in _KEEP}
        self._output.write_line(json.dumps(told, ensure_ascii=False))


def _time_text(at: float | None) -> str | None:
    if at is None:
        return None
    text = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
