"""Calls over a channel: typed by their method, and ended together when their build is over."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from buildkit_spec._pb._method import Method
from buildkit_spec.errors import ConnectionFailedError

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)

CALL_ERRORS = (grpc.RpcError, grpc.FutureCancelledError)
"""What a call raises: it failed, or we cancelled it."""

Metadata = Sequence[tuple[str, str]]


def begin(
    channel: grpc.Channel,
    method: Method[Req, Res],
    request: Req,
    *,
    metadata: Metadata = (),
    timeout_s: float | None = None,
) -> grpc.CallFuture[Res]:
    """Begin a call with one request and one answer; its ``result()`` waits for it.

    Raises:
        ConnectionFailedError: The channel was closed.
    """
    call = channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    try:
        return call.future(request, metadata=tuple(metadata), timeout=timeout_s)
    except ValueError as error:
        raise ConnectionFailedError("the connection was closed by this program") from error


def begin_stream(
    channel: grpc.Channel,
    method: Method[Req, Res],
    request: Req,
    *,
    timeout_s: float | None = None,
) -> grpc.CallIterator[Res]:
    """Begin a call with one request and any number of answers; iterate it for them.

    Args:
        channel: The connection.
        method: What is called.
        request: Its argument.
        timeout_s: How long all of it may take, in seconds; None is any time.

    Raises:
        ConnectionFailedError: The channel was closed.
    """
    call = channel.unary_stream(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    try:
        return call(request, timeout=timeout_s)
    except ValueError as error:
        raise ConnectionFailedError("the connection was closed by this program") from error


def cancel(call: grpc.Call | grpc.Future[Any]) -> None:
    """End a call; the daemon stops what it does for it."""
    call.cancel()


class CallGroup:
    """The calls of one build.

    Args:
        channel: To the daemon.
        metadata: Goes with every call.
    """

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
        self._channel = channel
        self._metadata = metadata
        self._lock = threading.Lock()
        self._running: set[grpc.CallFuture[Any]] = set()
        self._is_over = False

    def call(
        self, method: Method[Req, Res], request: Req, *, timeout_s: float | None = None
    ) -> Res:
        """Call and wait.

        Raises:
            grpc.RpcError: The call failed.
            grpc.FutureCancelledError: The build is over.
            ConnectionFailedError: The channel was closed.
        """
        with self._lock:
            if self._is_over:
                raise grpc.FutureCancelledError
            call = begin(
                self._channel, method, request, metadata=self._metadata, timeout_s=timeout_s
            )
            self._running.add(call)
        try:
            answer: Res = call.result()
            return answer
        finally:
            # Left by Ctrl-C, it would go on.
            cancel(call)
            with self._lock:
                self._running.discard(call)

    def end(self) -> None:
        """Cancel what runs, and begin nothing more: no answer would come."""
        with self._lock:
            self._is_over = True
            running = list(self._running)
        for call in running:
            cancel(call)
