"""The gRPC server inside the tunnel: calls, their threads, and what is to go out.

One thread brings bytes (`Server.receive`), one fetches them (`Server.outgoing`), and each call has
one of its own.
A call's answers wait in a bounded buffer until the peer has room for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from buildkit_spec._pb._method import Method
from buildkit_spec.errors import BuildkitSpecError, SessionError
from buildkit_spec.session._call import (
    CANCELLED,
    INTERNAL,
    OK,
    UNIMPLEMENTED,
    CallCancelledError,
    Handler,
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
    status,
)
from buildkit_spec.session._http2 import Connection
from buildkit_spec.session._server_call import BUFFER_BYTES, ServerCall

_CHUNK_BYTES = 512 << 10


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
        self._calls: dict[int, ServerCall] = {}
        self._sending: dict[int, ServerCall] = {}  # those with something to send, in turn
        self._is_closed = False
        self.receipts = 0  # how often the peer's bytes came

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        opened: list[tuple[ServerCall, Handler]] = []
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

    def _handle(self, event: Event, opened: list[tuple[ServerCall, Handler]]) -> None:
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

    def _open(self, event: CallOpened, opened: list[tuple[ServerCall, Handler]]) -> None:
        known = self._handlers.get(event.path)
        call = ServerCall(self, event, known[0].request if known else Message)
        self._calls[event.stream] = call
        if known is not None:
            opened.append((call, known[1]))
        else:
            self._connection.done(event.stream)
            # Not at once: the bytes that opened it may go on to reset it.
            call.trailers = (UNIMPLEMENTED, f"unknown method {event.path}")
            self.wake(call)

    def _is_wanted(self, call: ServerCall) -> bool:
        """Whether a call is to be begun: the bytes that opened it may have reset it."""
        if call.is_cancelled:
            self._connection.done(call.stream)
        return not call.is_cancelled

    def _run(self, call: ServerCall, handler: Handler) -> None:
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

    def _fail(self, call: ServerCall, error: BuildkitSpecError) -> None:
        # After a reset, what goes wrong in a handler is the reset's echo.
        if not call.is_cancelled:
            self._on_failure(error)

    def _forget(self, call: ServerCall) -> None:
        call.settle()
        self._calls.pop(call.stream, None)
        self._sending.pop(call.stream, None)

    def wake(self, call: ServerCall) -> None:
        """Have the call's output sent. The lock is held."""
        if call.stream in self._calls:
            self._sending[call.stream] = call
            self._has_output.notify()

    def widen(self, call: ServerCall, more: int) -> None:
        """Let the peer send more on a call than it was given. The lock is held."""
        if not self._is_closed:
            self._connection.widen(call.stream, more)
            self._has_output.notify()

    def credit(self, call: ServerCall) -> int:
        """Return what the peer may still send on a call. The lock is held."""
        return self._connection.credit(call.stream)

    def restore(self, credit: int) -> None:
        """Note bytes of a call that were dealt with. The lock is held."""
        self._connection.restore(credit)

    def give_credit(self, call: ServerCall, credit: int) -> None:
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

    def _send(self, call: ServerCall, share: int) -> None:
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
            if output.size_bytes < BUFFER_BYTES // 2:
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
