"""The display of a build, opened when there is something to show.

An image that is there already shows nothing, and must not pay for the display's import.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from buildkit_spec.progress import Display
    from buildkit_spec.progress.display import Mode
    from buildkit_spec.values import StatusCallback, StatusUpdate


class LazyDisplay:
    """A display that is opened by its first update.

    Args:
        mode: See `buildkit_spec.progress.open_display`.
        stream: Where it writes.
    """

    def __init__(self, mode: Mode, stream: TextIO) -> None:
        self._mode = mode
        self._stream = stream
        self._display: Display | None = None
        self._lock = threading.Lock()

    def callback(self, name: str) -> StatusCallback:
        """Return what shows the updates of the build called *name*; empty when it is alone."""

        def update(status: StatusUpdate) -> None:
            self._opened().for_build(name).update(status)

        return update

    def __enter__(self) -> LazyDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.close()

    def _opened(self) -> Display:
        with self._lock:
            if self._display is None:
                from buildkit_spec.progress import open_display

                self._display = open_display(self._mode, self._stream)
            return self._display
