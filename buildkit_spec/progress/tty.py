"""The live terminal: what runs now with its last lines, what ended above it, within the screen."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import IO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.step import Changes, Step
from buildkit_spec.progress.text import moved_text, seconds_text

LOG_LINES = 4
"""Last lines shown of each running step, when the screen has room."""

REFRESH_PER_S = 8

BYTES_WIDTH = 50
"""Columns a screen must have for bytes to be shown."""

_SIGN_WIDTH = 2
_NAME_WIDTH = 8
"""Columns a name keeps; figures that leave it less are left out."""

_LOOKS = {
    "running": ("●", "blue"),
    "done": ("✓", "green"),
    "cached": ("✓", "cyan"),
    "failed": ("✗", "red"),
    "cancelled": ("◌", "yellow"),
    "pending": ("·", "dim"),
}
"""Sign and style of each state."""


class TerminalFace:
    """Shows builds live through `rich`, and leaves their steps and figures behind.

    Args:
        output: The terminal.
        lock: Held while a model changes; rendering takes it too.
        clock: Seconds of this machine.
        console: Drawn on instead of one for *output*; for tests.
        is_animated: Whether a thread redraws; otherwise only `refresh` does.
    """

    def __init__(
        self,
        output: Output,
        lock: threading.RLock,
        clock: Callable[[], float],
        *,
        console: Console | None = None,
        is_animated: bool = True,
    ) -> None:
        self._output = output
        self._lock = lock
        self._clock = clock
        self._began = clock()
        self._is_fixed_size = console is not None
        self._console = console or Console(
            file=cast("IO[str]", output), force_terminal=True, highlight=False, markup=False
        )
        self._builds: dict[str, BuildModel] = {}
        self._ended: set[str] = set()
        self._is_closed = False
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=is_animated,
            refresh_per_second=REFRESH_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._fit()
        self._live.start()

    def show(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Remember the build; the next redraw shows it."""
        self._builds[build] = model

    def end(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Remember that the build is over."""
        self._builds[build] = model
        self._ended.add(build)

    def refresh(self) -> None:
        """Redraw now."""
        self._live.refresh()

    def close(self) -> None:
        """Take the live part off the screen and leave every step and the figures in its place."""
        if self._is_closed:
            return
        self._is_closed = True
        self._live.stop()
        for name, model in self._builds.items():
            for row in _final_rows(name, model, self._console.width):
                self._console.print(_line(row, self._console.width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            self._fit()
            rows = self._rows(console.width, console.height - 1)
        for row in rows:
            yield _line(row, console.width)

    def _fit(self) -> None:
        """Take the size of our own terminal: rich asks only the standard streams."""
        if self._is_fixed_size:
            return
        try:
            size = os.get_terminal_size(self._output.fileno())
        except (OSError, ValueError, AttributeError):
            return
        if size.columns and size.lines:
            self._console.size = ConsoleDimensions(size.columns, size.lines)

    def _rows(self, width: int, height: int) -> list[Row]:
        """Return what fits: running steps first, then their output, then what ended last."""
        sections = [_Section(name, model) for name, model in self._builds.items()]
        title = _title(sections, self._clock() - self._began)
        return [title, *_fitted(sections, width, max(0, height - 1))]


class Row:
    """One line of the screen: a sign, a text cut to the width, and figures at the right."""

    __slots__ = ("figures", "is_log", "sign", "style", "text")

    def __init__(
        self, sign: str, text: str, figures: str = "", style: str = "", *, is_log: bool = False
    ) -> None:
        self.sign = sign
        self.text = text
        self.figures = figures
        self.style = style
        self.is_log = is_log


class _Section:
    """One build cut into what must be shown and what may."""

    def __init__(self, name: str, model: BuildModel) -> None:
        steps = model.steps
        self.name = name
        self.summary = model.summary()
        self.pending = sum(1 for one in model.pending if not one.is_internal)
        self.running = [one for one in steps if one.state == "running"]
        self.ended = sorted(
            (one for one in steps if one.has_ended and _is_shown(one)),
            key=lambda one: (one.ended_at or 0.0, one.number),
        )


def _is_shown(step: Step) -> bool:
    return not step.is_internal or step.state in ("failed", "cancelled")


def _title(sections: list[_Section], elapsed_s: float) -> Row:
    summaries = [one.summary for one in sections]
    ended = sum(one.total - one.running for one in summaries)
    total = sum(one.total for one in summaries) + sum(one.pending for one in sections)
    cached = sum(one.cached for one in summaries)
    failed = sum(one.failed for one in summaries)
    words = [f"building: {ended} of {total} steps"]
    words += [f"{cached} cached"] if cached else []
    words += [f"{failed} failed"] if failed else []
    return Row("", ", ".join(words), seconds_text(elapsed_s), "bold")


def _fitted(sections: list[_Section], width: int, height: int) -> list[Row]:
    """Share *height* lines among the sections' heads, running steps, output and ended steps."""
    heads = sum(1 for one in sections if one.name)
    running = sum(len(one.running) for one in sections)
    room = max(0, height - heads - running)
    talk = {id(step): _talk(step) for one in sections for step in one.running}
    talking = [lines for lines in talk.values() if lines]
    logs = min(LOG_LINES, room // len(talking)) if talking else 0
    room -= sum(min(logs, len(lines)) for lines in talking)
    rows: list[Row] = []
    for number, section in enumerate(sections):
        share = room // (len(sections) - number)
        ended = section.ended[max(0, len(section.ended) - share) :]
        room -= len(ended)
        rows += [Row("", section.name, style="bold")] if section.name else []
        rows += [_step_row(step, width) for step in ended]
        for step in section.running:
            rows.append(_step_row(step, width))
            lines = talk[id(step)]
            for text in lines[max(0, len(lines) - logs) :] if logs else ():
                rows.append(Row("", text, style="dim", is_log=True))
    if len(rows) <= height:
        return rows
    hidden = len(rows) - max(0, height - 1)
    return [*rows[: max(0, height - 1)], Row("", f"… {hidden} more", style="dim")][:height]


def _talk(step: Step) -> tuple[str, ...]:
    """Return what a running step says: its output, or what it is at (``pushing layers``)."""
    at = (one.id for one in step.transfers if not one.is_done and "sha256:" not in one.id)
    return step.log_tail or tuple(at)


def _step_row(step: Step, width: int) -> Row:
    sign, style = _LOOKS[step.state]
    figures = [moved_text(step) if width >= BYTES_WIDTH else ""]
    if step.state == "cached":
        figures.append("CACHED")
    elif step.state == "cancelled":
        figures.append("CANCELED")
    else:
        figures.append(seconds_text(step.duration_s))
    text = f"{step.label}: {step.error}" if step.state == "failed" else step.label
    return Row(sign, text, "  ".join(one for one in figures if one), style)


def _final_rows(name: str, model: BuildModel, width: int) -> Iterator[Row]:
    if name:
        yield Row("", name, style="bold")
    for step in model.steps:
        if _is_shown(step):
            yield _step_row(step, width)
    summary = model.summary()
    if summary.total:
        counts = [f"{summary.total} steps"]
        for count, word in (
            (summary.cached, "cached"),
            (summary.failed, "failed"),
            (summary.cancelled, "cancelled"),
        ):
            counts += [f"{count} {word}"] if count else []
        if summary.slowest is not None:
            slowest = summary.slowest
            counts.append(f"slowest {slowest.label} {seconds_text(slowest.duration_s)}")
        yield Row("", ", ".join(counts), seconds_text(summary.duration_s), "bold")


def _line(row: Row, width: int) -> Text:
    """Lay one row out: what is left of its text beside the figures, the name before them."""
    figures = f"  {row.figures}" if row.figures else ""
    room = width - _SIGN_WIDTH - cell_len(figures)
    if room < _NAME_WIDTH:
        figures, room = "", max(0, width - _SIGN_WIDTH)
    text = f"  {row.text}" if row.is_log else row.text
    text = text.expandtabs(4)
    if cell_len(text) > room:
        text = set_cell_size(text, room - 1) + "…" if room else ""
    style = row.style if row.is_log or not row.sign else ""
    return Text.assemble(
        (f"{row.sign or ' '} ", row.style),
        (set_cell_size(text, room), style),
        (figures, row.style if row.sign else "dim"),
        no_wrap=True,
        overflow="crop",
    )
