"""`TlsStream`: a connection over TLS, for a reader and a writer at once.

gRPC speaks TLS itself; what is upgraded from HTTP needs this, and who asks why there is no TLS.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from buildkit_spec.client.address import Address
from buildkit_spec.client.sockets import connect, no_answer
from buildkit_spec.client.tls import Tls
from buildkit_spec.client.tls_context import client_context
from buildkit_spec.client.tls_failure import tls_failure

_T = TypeVar("_T")


class TlsStream(ssl.SSLSocket):
    """A TLS connection that two threads may use at once, which OpenSSL's own may not be.

    Nothing blocks inside of OpenSSL: who must wait does so outside, without the lock.
    """

    _lock: threading.Lock | None = None
    _patience_s: float | None = None

    def share(self) -> None:
        """Let two threads use it from now on; the handshake is done."""
        self._patience_s = super().gettimeout()
        super().settimeout(0)
        self._lock = threading.Lock()

    def settimeout(self, value: float | None) -> None:
        """See `socket.socket.settimeout`."""
        if self._lock is None:
            super().settimeout(value)
        self._patience_s = value

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """See `socket.socket.recv`."""
        receive = super().recv
        return self._patiently(lambda: receive(buflen, flags))

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """See `socket.socket.recv_into`."""
        receive = super().recv_into
        return self._patiently(lambda: receive(buffer, nbytes, flags))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """See `socket.socket.sendall`."""
        send, rest = super().send, memoryview(data).cast("B")
        while rest:
            rest = rest[self._patiently(lambda rest=rest: send(rest, flags)) :]  # type: ignore[misc]

    def shutdown(self, how: int) -> None:
        """End both ways: one alone cannot be ended without losing what comes in.

        Who uses this, gRPC and HTTP, never ends one alone.
        """
        socket.socket.shutdown(self, socket.SHUT_RDWR)

    def _patiently(self, step: Callable[[], _T]) -> _T:
        if self._lock is None:
            return step()
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            poll = select.poll()
            poll.register(self, event)
            if not poll.poll(None if self._patience_s is None else self._patience_s * 1000):
                raise TimeoutError


def open_tls_stream(
    address: Address, tls: Tls, timeout_s: float, protocols: Sequence[str] = ()
) -> TlsStream:
    """Connect to a host and port over TLS.

    Args:
        address: Where to.
        tls: Whom to trust, and what to show.
        timeout_s: How long it may take, in seconds; it stays the stream's timeout.
        protocols: To offer (ALPN); empty for none.

    Raises:
        TlsFailedError: There is no TLS with it, with these certificates; says why.
        ConnectionFailedError: It cannot be reached.
        DeadlineExceededError: Nobody answered in time.
    """
    context = client_context(tls)
    context.sslsocket_class = TlsStream
    if protocols:
        context.set_alpn_protocols(list(protocols))
    plain = connect(address, timeout_s)
    try:
        stream = context.wrap_socket(plain, server_hostname=tls.server_name or address.host)
    except TimeoutError as error:
        plain.close()
        raise no_answer(address, timeout_s) from error
    except OSError as error:
        plain.close()
        raise tls_failure(error, address, tls, timeout_s=timeout_s) from error
    assert isinstance(stream, TlsStream)
    stream.share()
    return stream
