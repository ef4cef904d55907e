"""A first TLS connection, which tells what is wrong better than gRPC would."""

from __future__ import annotations

import contextlib
import ssl

from buildkit_spec.client.address import Address
from buildkit_spec.client.sockets import no_answer
from buildkit_spec.client.tls import Tls
from buildkit_spec.client.tls_failure import hung_up, no_http2, tls_failure
from buildkit_spec.client.tls_stream import open_tls_stream

_FIRST_WORDS = {
    # RFC 9113, section 3.4, with an empty SETTINGS frame.
    "tcp": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "docker": b"HEAD /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n",
}
_LISTENING_S = 1.0


def check_tls(address: Address, tls: Tls, timeout_s: float) -> None:
    """Connect over TLS, and wait for the daemon's first word.

    In TLS 1.3 our handshake is done before the daemon has seen our certificate: that it wants
    one, or another one, comes in place of its first word.

    Args:
        address: The daemon's.
        tls: Whom to trust, and what to show.
        timeout_s: How long it may take, in seconds.

    Raises:
        TlsFailedError: There is no TLS with it, with these certificates; says why.
        ConnectionFailedError: It cannot be reached.
        DeadlineExceededError: It did not answer in time.
    """
    try:
        if _answers(address, tls, timeout_s, _FIRST_WORDS.get(address.scheme, _FIRST_WORDS["tcp"])):
            return
    except TimeoutError as error:
        raise no_answer(address, timeout_s) from error
    # Who hangs up on words that it did not read may lose its last ones, as TCP has it: ask for
    # them again, and say nothing.
    with contextlib.suppress(TimeoutError):
        _answers(address, tls, min(timeout_s, _LISTENING_S), b"")
    raise hung_up(address, tls)


def _answers(address: Address, tls: Tls, timeout_s: float, words: bytes) -> bool:
    protocols = ("h2",) if address.scheme == "tcp" else ("http/1.1",)
    with open_tls_stream(address, tls, timeout_s, protocols) as stream:
        try:
            if words:
                stream.sendall(words)
            is_answered = bool(stream.recv(1))
        except TimeoutError:
            raise
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return False
        except ssl.SSLError as error:
            raise tls_failure(error, address, tls, timeout_s=timeout_s) from error
        except OSError:
            return False
        if is_answered and address.scheme == "tcp" and stream.selected_alpn_protocol() != "h2":
            raise no_http2(address)
        return is_answered
