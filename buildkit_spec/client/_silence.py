"""A watch over a daemon that says nothing any more: stopped, or gone behind a relay or a network.

A connection that is open tells nothing of that: no packet says that a machine lost its power, and
a relay's own end answers always. But a daemon asks a session whether it still answers every few
seconds, so one that is silent for long is not there.
Source: ``session/grpc.go`` (``monitorHealth``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

SILENCE_S = 60.0
"""So long a daemon may say nothing: several of its questions, and time to swap."""

_LOOKS = 12


class SilenceWatch:
    """Looks on a thread whether a daemon is heard.

    Only time in which this program runs counts: one that was stopped itself, as a laptop is, finds
    what was said meanwhile first.

    Args:
        heard: Returns how often it was heard so far.
        limit_s: How long it may say nothing, in seconds.
        on_silence: Called once when it has.

    Attributes:
        is_silent: Whether it has.
    """

    def __init__(
        self, heard: Callable[[], int], limit_s: float, on_silence: Callable[[], None]
    ) -> None:
        self.is_silent = False
        self._heard = heard
        self._limit_s = limit_s
        self._on_silence = on_silence
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="buildkit-silence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _look(self) -> None:
        before, looks = self._heard(), 0
        while not self._is_over.wait(self._limit_s / _LOOKS):
            heard = self._heard()
            looks = looks + 1 if heard == before else 0
            before = heard
            if looks >= _LOOKS:
                self.is_silent = True
                self._on_silence()
                return
