"""`UnderWay`: a build that runs, as the thread sees it that wants to end it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buildkit_spec.errors import SolveCanceledError

if TYPE_CHECKING:
    from buildkit_spec.client import Client

_PATIENCE_S = 10.0


class UnderWay:
    """A build that runs, on one connection or on several.

    Attributes:
        is_cancelled: Whether it is to end.
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self._clients: list[Client] = []
        self._lock = threading.Condition()

    def cancel(self) -> None:
        """End it: without its connections it goes no further, and the daemons stop it."""
        with self._lock:
            self.is_cancelled = True
            for client in self._clients:
                client.close()

    def end(self) -> None:
        """End what still runs of it elsewhere, and wait for that, but not for ever."""
        self.cancel()
        with self._lock:
            self._lock.wait_for(lambda: not self._clients, _PATIENCE_S)

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Let what this thread does, such as hashing many gigabytes, end soon after `cancel`.

        It then raises SolveCanceledError.
        """
        from buildkit_spec.spec.given_up import ending_when

        with ending_when(lambda: self.is_cancelled):
            yield

    @contextmanager
    def on(self, client: Client) -> Iterator[None]:
        """Run on a connection, if it is not to end already.

        Raises:
            SolveCanceledError: It is.
        """
        with self._lock:
            if self.is_cancelled:
                raise SolveCanceledError("the build was cancelled", code="CANCELLED")
            self._clients.append(client)
        try:
            yield
        finally:
            with self._lock:
                self._clients.remove(client)
                self._lock.notify_all()
