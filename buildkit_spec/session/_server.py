"""The gRPC server inside the tunnel: calls, their threads, and what is to go out.

One thread brings bytes (`Server.receive`), one fetches them (`Server.outgoing`), and each call has
one of its own.
A call's answers wait in a bounded buffer until the peer has room for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError, Message

from buildkit_spec._pb._method import Method
from buildkit_spec.errors import BuildkitSpecError, SessionError
from buildkit_spec.session._call import (
    CANCELLED,
    INTERNAL,
    OK,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    CallCancelledError,
    Handler,
    Other,
    StatusError,
)
from buildkit_spec.session._events import (
    CallOpened,
    CallReset,
    DataArrived,
    Event,
    GoneAway,
    HalfClosed,
)
from buildkit_spec.session._framing import (
    ANSWER,
    MAX_MESSAGE_BYTES,
    MessageReader,
    Outgoing,
    message_prefix,
    status,
)
from buildkit_spec.session._http2 import FIRST_WINDOW_BYTES, Connection
from buildkit_spec.session._pace import Pace

_CHUNK_BYTES = 512 << 10
_CALL_BUFFER_BYTES = 2 << 20
_CORK_BYTES = 64 << 10
_BACKLOG_BYTES = 4 << 20
_CREDIT_BYTES = 256 << 10
_WINDOW_BYTES = 4 << 20
_FEW = 64
_GATHER_S = 0.004


class Server:
    """Answers the calls of one connection.

    Args:
        handlers: What answers each method.
        on_failure: Told of each error that is not an answer; called from any thread.
        envelope: Returns what is to precede outgoing bytes, by their number.
    """

    def __init__(
        self,
        handlers: Mapping[Method[Any, Any], Handler],
        on_failure: Callable[[BuildkitSpecError], None],
        envelope: Callable[[int], bytes] = lambda _: b"",
    ) -> None:
        self._handlers = {method.path: (method, handler) for method, handler in handlers.items()}
        self._on_failure = on_failure
        self._envelope = envelope
        self._connection = Connection()
        self.lock = threading.Lock()  # guards the connection and all calls
        self._has_output = threading.Condition(self.lock)
        self._calls: dict[int, _ServerCall] = {}
        self._sending: dict[int, _ServerCall] = {}  # those with something to send, in turn
        self._is_closed = False
        self.receipts = 0  # how often the peer's bytes came

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        opened: list[tuple[_ServerCall, Handler]] = []
        failure: SessionError | None = None
        with self.lock:
            if self._is_closed:
                return
            self.receipts += 1
            try:
                for event in self._connection.receive(data):
                    if not self._is_closed:
                        self._handle(event, opened)
            except SessionError as error:
                self._end()
                failure = error
            starting = [(call, handler) for call, handler in opened if self._is_wanted(call)]
            if self._connection.has_output or self._sending:
                self._has_output.notify()
        if failure is not None:
            self._on_failure(failure)
        for call, handler in starting:
            name = f"session{call.path}"
            threading.Thread(target=self._run, args=(call, handler), name=name, daemon=True).start()

    def outgoing(self) -> bytes | None:
        """Wait for bytes for the peer and return them; None when there will be no more."""
        with self.lock:
            while True:
                self._fill()
                if data := self._connection.take(self._envelope):
                    return data
                if self._is_closed:
                    return None
                self._has_output.wait()

    def close(self) -> None:
        """End the connection and cancel every call; what waits, wakes. Harmless when repeated."""
        with self.lock:
            if not self._is_closed:
                self._connection.leave()
                self._end()

    def _end(self) -> None:
        self._is_closed = True
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        self._sending.clear()
        self._has_output.notify_all()

    def _handle(self, event: Event, opened: list[tuple[_ServerCall, Handler]]) -> None:
        if isinstance(event, CallOpened):
            self._open(event, opened)
            return
        if isinstance(event, GoneAway):
            self._end()
            return
        call = self._calls.get(event.stream)
        if isinstance(event, DataArrived):
            if call is None:
                self._connection.give_credit(event.stream, event.credit)
            else:
                call.feed(event)
        elif isinstance(event, HalfClosed):
            if call is not None:
                call.half_close()
        elif call is not None:
            assert isinstance(event, CallReset)
            self._forget(call)
            call.cancel()

    def _open(self, event: CallOpened, opened: list[tuple[_ServerCall, Handler]]) -> None:
        known = self._handlers.get(event.path)
        call = _ServerCall(self, event, known[0].request if known else Message)
        self._calls[event.stream] = call
        if known is not None:
            opened.append((call, known[1]))
        else:
            self._connection.done(event.stream)
            # Not at once: the bytes that opened it may go on to reset it.
            call.trailers = (UNIMPLEMENTED, f"unknown method {event.path}")
            self.wake(call)

    def _is_wanted(self, call: _ServerCall) -> bool:
        """Whether a call is to be begun: the bytes that opened it may have reset it."""
        if call.is_cancelled:
            self._connection.done(call.stream)
        return not call.is_cancelled

    def _run(self, call: _ServerCall, handler: Handler) -> None:
        """Run a handler in its thread; whatever it raises ends its call and nothing else."""
        code, message = OK, ""
        try:
            handler(call)
        except CallCancelledError:  # perhaps of another call: then this one has to be ended
            code, message = CANCELLED, "the call was given up"
        except StatusError as error:
            code, message = error.code, error.message
        except BuildkitSpecError as error:
            code, message = INTERNAL, error.message
            self._fail(call, error)
        except Exception as error:  # noqa: BLE001
            message = f"{call.path}: {type(error).__name__}"
            code = INTERNAL
            failure = SessionError(f"could not answer the daemon's call {message}: {error}")
            failure.__cause__ = error
            self._fail(call, failure)
        with self.lock:
            self._connection.done(call.stream)
            call.trailers = (code, message)
            self.wake(call)

    def _fail(self, call: _ServerCall, error: BuildkitSpecError) -> None:
        # After a reset, what goes wrong in a handler is the reset's echo.
        if not call.is_cancelled:
            self._on_failure(error)

    def _forget(self, call: _ServerCall) -> None:
        call.settle()
        self._calls.pop(call.stream, None)
        self._sending.pop(call.stream, None)

    def wake(self, call: _ServerCall) -> None:
        """Have the call's output sent. The lock is held."""
        if call.stream in self._calls:
            self._sending[call.stream] = call
            self._has_output.notify()

    def widen(self, call: _ServerCall, more: int) -> None:
        """Let the peer send more on a call than it was given. The lock is held."""
        if not self._is_closed:
            self._connection.widen(call.stream, more)
            self._has_output.notify()

    def credit(self, call: _ServerCall) -> int:
        """Return what the peer may still send on a call. The lock is held."""
        return self._connection.credit(call.stream)

    def restore(self, credit: int) -> None:
        """Note bytes of a call that were dealt with. The lock is held."""
        self._connection.restore(credit)

    def give_credit(self, call: _ServerCall, credit: int) -> None:
        """Let the peer send more on a call. The lock is held."""
        if not self._is_closed:
            self._connection.give_credit(call.stream, credit)
            self._has_output.notify()

    def _fill(self) -> None:
        """Move output into the connection, a share for each call, as the peer has room for it."""
        if not self._sending:
            return
        share = max(1, _CHUNK_BYTES // len(self._sending))
        for call in list(self._sending.values()):
            self._send(call, share)

    def _send(self, call: _ServerCall, share: int) -> None:
        output = call.output
        if output:
            if not call.has_begun:
                self._connection.headers(call.stream, ANSWER)
                call.has_begun = True
            left = min(share, self._connection.room(call.stream))
            while output and left > 0:
                part = output.take(left)
                self._connection.send(call.stream, part)
                left -= len(part)
            if output.size_bytes < _CALL_BUFFER_BYTES // 2:
                call.changed.notify_all()
        if output:
            return
        if call.trailers is None:
            del self._sending[call.stream]
            return
        trailers = status(*call.trailers)
        if not call.has_begun:
            trailers[:0] = ANSWER
        self._connection.headers(call.stream, trailers, is_last=True)
        if not call.is_half_closed:
            self._connection.reset(call.stream)
        self._forget(call)
        call.cancel()  # for a thread of the handler's that still reads


class _ServerCall:
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
        self._owed_credit = 0
        self._is_wide = False
        self._pace = Pace()
        self._fault: SessionError | None = None

    def messages(self) -> Iterator[Any]:
        return self.messages_as(self._request)

    def messages_as(self, kind: type[Other]) -> Iterator[Other]:
        while (message := self._next(kind)) is not None:
            yield message

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

    def _next(self, kind: type[Other]) -> Other | None:
        with self._server.lock:
            if not self._is_wide:
                self._is_wide = True
                self._server.widen(self, _WINDOW_BYTES - FIRST_WINDOW_BYTES)
            if not self._wait():
                return None
            payload = self._arrived.popleft()
            self._backlog_bytes -= len(payload)
            self._pay()
        return self._read(kind, payload)

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
            while self.output.size_bytes >= _CALL_BUFFER_BYTES and not self.is_cancelled:
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
