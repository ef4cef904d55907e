"""The one place where status streams meet the face that shows them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Protocol, TextIO

from buildkit_spec.progress.jsonl import JsonFace
from buildkit_spec.progress.model import BuildModel
from buildkit_spec.progress.output import Output
from buildkit_spec.progress.plain import PlainFace
from buildkit_spec.progress.step import Changes
from buildkit_spec.values import StatusUpdate

Mode = Literal["auto", "tty", "plain", "json", "quiet"]
"""How a build is shown."""


class Face(Protocol):
    """Shows builds in one way. Called by one thread at a time."""

    def show(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Show what an update of a build changed."""

    def end(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Show that a build is over."""

    def close(self) -> None:
        """Leave the stream as it should stay."""


class QuietFace:
    """Shows nothing."""

    def show(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Show nothing."""

    def end(self, build: str, model: BuildModel, changes: Changes) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing is left open."""


class BuildDisplay:
    """One build in a display; made by `Display.for_build`."""

    def __init__(self, name: str, display: Display, clock: Callable[[], float]) -> None:
        self.name = name
        self._display = display
        self._model = BuildModel(clock)
        self._is_closed = False

    def update(self, update: StatusUpdate) -> None:
        """Take one message of the build's status stream; for ``on_status``, from any thread."""
        with self._display.lock:
            if not self._is_closed:
                changes = self._model.apply(update)
                self._display.face.show(self.name, self._model, changes)

    def close(self) -> None:
        """Say that the build is over. May be called again; a display closes its builds."""
        with self._display.lock:
            if not self._is_closed:
                self._is_closed = True
                self._display.face.end(self.name, self._model, self._model.finish())


class Display:
    """Shows one build or several at once; a context manager. Made by `open_display`."""

    def __init__(self, face: Face, lock: threading.RLock, clock: Callable[[], float]) -> None:
        self.face = face
        self.lock = lock
        self._clock = clock
        self._builds: dict[str, BuildDisplay] = {}

    def for_build(self, name: str) -> BuildDisplay:
        """Return the part of the display that shows one build.

        Args:
            name: What to call it on every line of it; empty when there is just one build. The
                same name gives the same part.
        """
        with self.lock:
            if name not in self._builds:
                self._builds[name] = BuildDisplay(name, self, self._clock)
            return self._builds[name]

    def close(self) -> None:
        """Close every build and leave the stream. May be called again."""
        with self.lock:
            builds = tuple(self._builds.values())
        for build in builds:
            build.close()
        self.face.close()

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_display(
    mode: str,
    stream: TextIO,
    *,
    clock: Callable[[], float] = time.monotonic,
    env: Mapping[str, str] = os.environ,
) -> Display:
    """Open a display of builds.

    Args:
        mode: ``tty`` (live), ``plain`` (a log), ``json`` (JSON lines, see `jsonl`), ``quiet``, or
            ``auto``: ``tty`` when *stream* is a terminal that can do it and this is not CI, else
            ``plain``.
        stream: Where to show it. When it breaks, the builds go on unseen.
        clock: Seconds of this machine, for elapsed times.
        env: The environment, for ``TERM`` and ``CI``.

    Raises:
        ValueError: There is no such mode.
    """
    output = Output(stream)
    lock = threading.RLock()
    if mode == "auto":
        mode = "tty" if _is_live_terminal(output, env) else "plain"
    face: Face
    if mode == "tty":
        from buildkit_spec.progress.tty import TerminalFace

        face = TerminalFace(output, lock, clock)
    elif mode == "plain":
        face = PlainFace(output, clock)
    elif mode == "json":
        face = JsonFace(output)
    elif mode == "quiet":
        face = QuietFace()
    else:
        raise ValueError(f"unknown progress mode: {mode!r} (auto, tty, plain, json or quiet)")
    return Display(face, lock, clock)


def _is_live_terminal(output: Output, env: Mapping[str, str]) -> bool:
    return output.isatty() and env.get("TERM", "dumb") not in ("dumb", "") and not env.get("CI")
