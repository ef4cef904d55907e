"""The tunnel: moves bytes between the server and a ``Control.Session`` stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import grpc

from buildkit_spec._pb import control
from buildkit_spec.errors import SessionError
from buildkit_spec.session._framing import varint
from buildkit_spec.session._server import Server

_FAREWELL_S = 0.5
_DATA = varint(control.BytesMessage.DESCRIPTOR.fields_by_name["data"].number << 3 | 2)


class Tunnel:
    """A stream to the daemon in which it is the client.

    Args:
        channel: The connection to the daemon; stays the caller's.
        metadata: Headers of the stream.
        server: Answers what comes through; its bytes are in an `envelope`.
        on_failure: Told when the stream ends though nobody closed it; called from a thread.

    Attributes:
        heard: How often the daemon sent something.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        metadata: Sequence[tuple[str, str]],
        server: Server,
        on_failure: Callable[[SessionError], None],
    ) -> None:
        self._server = server
        self._on_failure = on_failure
        self._is_closing = False
        self.heard = 0
        method = control.Control.Session
        # Called by grpc in a thread of its own, one message after another: its back-pressure.
        outgoing = iter(server.outgoing, None)
        self._stream = channel.stream_stream(
            method.path,
            request_serializer=bytes,  # as they are: the envelope is on
            response_deserializer=method.response.FromString,
        )(outgoing, metadata=tuple(metadata))
        self._reader = threading.Thread(target=self._read, name="session-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        reason = "the daemon ended the session"
        try:
            for message in self._stream:
                self.heard += 1
                self._server.receive(message.data)
        except grpc.RpcError as error:
            reason = f"the session to the daemon broke: {self._stream.details() or error}"
        except Exception as error:  # noqa: BLE001 - else nobody would answer, and nobody know why
            reason = f"the session broke: {type(error).__name__}: {error}"
        if not self._is_closing:
            self._on_failure(SessionError(reason))
        self._server.close()

    def close(self) -> None:
        """End the stream; returns soon."""
        self._is_closing = True
        self._server.close()
        if threading.current_thread() is not self._reader:
            self._reader.join(_FAREWELL_S)
        self._stream.cancel()  # type: ignore[no-untyped-call]


def envelope(size_bytes: int) -> bytes:
    """Return what makes so many bytes behind it a serialised ``BytesMessage``."""
    return _DATA + varint(size_bytes)
