"""`Session`: what this machine serves back to the daemon during a build."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from buildkit_spec.errors import BuildkitSpecError
from buildkit_spec.session.health import Health

if TYPE_CHECKING:
    from types import TracebackType

    import grpc

    from buildkit_spec._pb._method import Method
    from buildkit_spec.session._call import Attachable, Handler
    from buildkit_spec.session._tunnel import Tunnel

_PREFIX = "x-docker-expose-session-"


class Session:
    """Answers a daemon's calls over a stream that we open to it.

    The daemon finds it by its id, which a solve names. Start it before the solve, close it after;
    several solves may use it. As a context manager it is closed at the end; `start` stays yours.

    Args:
        attachables: What it offers; of two that answer the same method the later one does. The
            daemon's health checks are answered by itself: without an answer it ends a session.
        name: For the daemon's logs.
        shared_key: Sessions with the same key may share the daemon's copy of a directory.
        id: Its id; a random one by default.
    """

    def __init__(
        self,
        attachables: Iterable[Attachable],
        *,
        name: str = "",
        shared_key: str = "",
        id: str | None = None,
    ) -> None:
        self.id = id or secrets.token_hex(16)
        self._name = name
        self._shared_key = shared_key
        self._handlers: dict[Method[Any, Any], Handler] = {}
        for attachable in (Health(), *attachables):
            self._handlers.update(attachable.methods())
        self._failure: BuildkitSpecError | None = None
        self._tunnel: Tunnel | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def failure(self) -> BuildkitSpecError | None:
        """The first error met while serving, or None: often the cause of a solve's failure."""
        return self._failure

    @property
    def heard(self) -> int:
        """How often the daemon sent something: it asks every few seconds whether we answer."""
        return self._tunnel.heard if self._tunnel is not None else 0

    def start(self, channel: grpc.Channel) -> None:
        """Open the stream and serve, in threads of its own. Does nothing when started or closed.

        Args:
            channel: The connection to the daemon; stays the caller's to close.
        """
        from buildkit_spec.session._server import Server  # h2 and grpc only when one is started
        from buildkit_spec.session._tunnel import Tunnel, envelope

        with self._lock:
            if self._tunnel is not None or self._is_closed:
                return
            server = Server(self._handlers, self._fail, envelope)
            self._tunnel = Tunnel(channel, self._metadata(), server, self._fail)

    def close(self) -> None:
        """Stop serving; harmless when repeated."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        if self._tunnel is not None:
            self._tunnel.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fail(self, error: BuildkitSpecError) -> None:
        with self._lock:
            if self._failure is None and not self._is_closed:
                self._failure = error

    def _metadata(self) -> list[tuple[str, str]]:
        headers = [
            ("uuid", self.id),
            ("name", _printable(self._name)),
            ("sharedkey", _printable(self._shared_key)),
        ]
        headers += [("grpc-method", method.path) for method in self._handlers]
        return [(_PREFIX + name, value) for name, value in headers]


def _printable(text: str) -> str:
    """Return the text as a header may hold it."""
    return "".join(char if " " <= char <= "~" else "?" for char in text).strip()
