"""The status stream of one build, followed on a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import grpc

from buildkit_spec._pb import control as pb
from buildkit_spec.client._calls import begin_stream, cancel
from buildkit_spec.client._journal import Journal
from buildkit_spec.client._status import decode
from buildkit_spec.errors import InvalidDigestError
from buildkit_spec.values import StatusCallback

_PATIENCE_S = 5.0
"""A stream that says nothing for so long after its build is left. Source: ``client/solve.go``."""

_FAREWELL_S = 0.5
"""So long a stream is listened to when its build was interrupted, be the daemon busy or gone."""


class Watcher:
    """Follows a build's status.

    Args:
        channel: To the daemon.
        ref: The build's id.
        journal: Learns what is told.
        on_status: Told it too; may be None.
        on_failure: Called when *on_status* raised: the build must not go on unseen.

    Attributes:
        failure: What *on_status* raised, or None.
        has_build: Whether the build began. The stream of one that did ends by itself; that of
            one that never did is left at once: the daemon would look for it for seconds.
        heard: How often something was told.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        ref: str,
        journal: Journal,
        on_status: StatusCallback | None,
        on_failure: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._on_status = on_status
        self._on_failure = on_failure
        self.failure: Exception | None = None
        self.has_build = False
        self.heard = 0
        self._stream = begin_stream(channel, pb.Control.Status, pb.StatusRequest(Ref=ref))
        self._thread = threading.Thread(target=self._follow, name="buildkit-status", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last words, and end the stream. The build is over."""
        heard = -1
        while self.has_build and self._thread.is_alive() and self.heard != heard:
            heard = self.heard
            self._thread.join(_PATIENCE_S)
        cancel(self._stream)
        self._thread.join(_PATIENCE_S)

    def leave(self) -> None:
        """Wait a moment for the last words, and end the stream. Somebody pressed Ctrl-C."""
        if self.has_build:
            self._thread.join(_FAREWELL_S)
        cancel(self._stream)
        self._thread.join(_FAREWELL_S)

    def _follow(self) -> None:
        # What goes wrong with the stream goes wrong with the build too, and is told there.
        with contextlib.suppress(grpc.RpcError):
            for response in self._stream:
                self.heard += 1
                # A step that cannot be shown must not end the build.
                with contextlib.suppress(InvalidDigestError):
                    self._tell(response)

    def _tell(self, response: pb.StatusResponse) -> None:
        update = decode(response)
        self._journal.learn(update)
        if self._on_status is None or self.failure is not None:
            return
        try:
            self._on_status(update)
        except Exception as error:  # noqa: BLE001 - raised again on the thread of the build
            self.failure = error
            self._on_failure()
