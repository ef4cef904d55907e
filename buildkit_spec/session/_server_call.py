"""One call as the server has it: requests that wait to be read, answers that wait to be sent."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message

from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import (
    RESOURCE_EXHAUSTED,
    CallCancelledError,
    Other,
    StatusError,
)
from buildkit_spec.session._events import CallOpened, DataArrived
from buildkit_spec.session._framing import (
    MAX_MESSAGE_BYTES,
    MessageReader,
    Outgoing,
    message_prefix,
)
from buildkit_spec.session._pace import Pace
from buildkit_spec.session._stream import FIRST_WINDOW_BYTES

if TYPE_CHECKING:
    from buildkit_spec.session._server import Server

BUFFER_BYTES = 2 << 20
"""So many bytes of answers, and who answers waits until the peer has taken some."""

_CORK_BYTES = 64 << 10
_BACKLOG_BYTES = 4 << 20
_CREDIT_BYTES = 256 << 10
_WINDOW_BYTES = 4 << 20
_FEW = 64
_GATHER_S = 0.004


class ServerCall:
    """One call; see `buildkit_spec.session._call.Call`."""

    def __init__(self, server: Server, opened: CallOpened, request: type[Message]) -> None:
        self.stream = opened.stream
        self.path = opened.path
        self.metadata = opened.metadata
        self.output = Outgoing()
        self.has_begun = False
        self.is_half_closed = False
        self.is_cancelled = False
        self.trailers: tuple[int, str] | None = None
        self.changed = threading.Condition(server.lock)
        self._server = server
        self._request = request
        self._reader = MessageReader()
        self._arrived: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._gathered_bytes = 0  # of the backlog, what the handler has in hand
        self._owed_credit = 0
        self._is_wide = False
        self._pace = Pace()
        self._fault: SessionError | None = None

    def messages(self) -> Iterator[Any]:
        while payloads := self._gather():
            for payload in payloads:
                if self.is_cancelled:
                    raise CallCancelledError
                yield self._read(self._request, payload)

    def gathered_as(self, kind: type[Other]) -> Iterator[list[Other]]:
        while payloads := self._gather():
            yield [self._read(kind, payload) for payload in payloads]

    def arrived(self) -> list[Any]:
        if not self._arrived:  # without the lock: what is missed now is seen the next time
            return []
        with self._server.lock:
            payloads = self._take_all()
        return [self._read(self._request, payload) for payload in payloads]

    def batches(self) -> Iterator[list[Any]]:
        while True:
            with self._server.lock:
                if not self._wait():
                    return
                is_few = len(self._arrived) < _FEW
            if is_few:
                time.sleep(_GATHER_S)
            yield self.arrived()

    def _take_all(self) -> list[bytes]:
        payloads = list(self._arrived)
        self._arrived.clear()
        self._backlog_bytes = 0
        self._pay()
        return payloads

    def _gather(self) -> list[bytes]:
        """Return what is there, at least one request; none when no more come."""
        with self._server.lock:
            if not self._is_wide:
                self._is_wide = True
                self._server.widen(self, _WINDOW_BYTES - FIRST_WINDOW_BYTES)
            self._backlog_bytes -= self._gathered_bytes  # by now those are dealt with
            self._gathered_bytes = 0
            if self.output:
                self._server.wake(self)
            if not self._wait():
                return []
            payloads = list(self._arrived)
            self._arrived.clear()
            self._gathered_bytes = self._backlog_bytes
            self._pay()
        return payloads

    def _wait(self) -> bool:
        """Wait for a request; return whether there is one. The lock is held."""
        while not self._arrived:
            if self.is_cancelled:
                raise CallCancelledError
            if self._fault is not None:
                raise self._fault
            if self.is_half_closed:
                return False
            if self.output:
                self._server.wake(self)
            self._pay()
            self.changed.wait()
        return True

    def _read(self, kind: type[Other], payload: bytes) -> Other:
        try:
            return kind.FromString(payload)
        except DecodeError as error:
            name = kind.DESCRIPTOR.name
            raise SessionError(f"the daemon sent what is no {name} on {self.path}") from error

    def send(self, message: Message, *, has_more: bool = False) -> None:
        self._put((message.SerializeToString(),), has_more=has_more)

    def send_all(self, payloads: Iterable[bytes]) -> None:
        self._put(payloads, has_more=True)

    def _put(self, payloads: Iterable[bytes], *, has_more: bool) -> None:
        parts: list[bytes] = []
        for payload in payloads:
            if len(payload) > MAX_MESSAGE_BYTES:
                raise StatusError(
                    RESOURCE_EXHAUSTED,
                    f"an answer of {len(payload)} bytes is too large (at most {MAX_MESSAGE_BYTES})",
                )
            parts += (message_prefix(len(payload)), payload)
        # Small ones become one piece; a large one is not copied.
        pieces = parts if len(parts) == 2 else [b"".join(parts)]
        with self._server.lock:
            while self.output.size_bytes >= BUFFER_BYTES and not self.is_cancelled:
                self.changed.wait()
            if self.is_cancelled:
                raise CallCancelledError
            for piece in pieces:
                self.output.put(piece)
            if not has_more or self.output.size_bytes >= _CORK_BYTES:
                self._server.wake(self)

    # What follows is called by the server, with the lock held.

    def feed(self, event: DataArrived) -> None:
        """Take bytes of the stream."""
        self._owed_credit += event.credit
        if self._fault is None:
            try:
                for payload in self._reader.feed(event.data):
                    self._arrived.append(payload)
                    self._backlog_bytes += len(payload)
            except SessionError as error:
                self._fault = error
            self.changed.notify_all()
        self._pace.note(self._server.receipts)
        self._pay()

    def _pay(self) -> None:
        """Give credit back, unless the handler is behind: then the peer has to wait for it."""
        if self._backlog_bytes >= _BACKLOG_BYTES:
            return
        if self._is_wide:
            if self._owed_credit >= _CREDIT_BYTES:
                self.settle()
        elif not self._arrived and not self._server.credit(self):
            self._server.restore(self._owed_credit)
            self._owed_credit = 0
            self._server.widen(self, self._pace.next_bytes())

    def settle(self) -> None:
        """Give all credit back that is owed: the connection's part outlives the stream."""
        if self._owed_credit:
            self._server.give_credit(self, self._owed_credit)
            self._owed_credit = 0

    def half_close(self) -> None:
        """Note that no more requests come."""
        self.is_half_closed = True
        if not self._reader.is_between and self._fault is None:
            self._fault = SessionError(f"the daemon broke off within a message on {self.path}")
        self.changed.notify_all()

    def cancel(self) -> None:
        """Let everything that waits on the call give up."""
        self.is_cancelled = True
        self.output.clear()
        self.changed.notify_all()
