"""A TLS server in front of a unix socket, with certificates made for it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from buildkit_spec.client import Tls
from buildkit_spec.client.tls_stream import TlsStream


def make_certificate(folder: Path, *, days: int = 1) -> Tls:
    """Make one certificate for 127.0.0.1 that is authority, server and client at once.

    Its files are named as docker names them.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(text)
    (folder / "cert.pem").write_bytes(text)
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "key.pem").chmod(0o600)
    return Tls.from_directory(folder)


@contextlib.contextmanager
def tls_proxy(path: str, tls: Tls) -> Iterator[int]:
    """Serve a unix socket over TLS on a port of 127.0.0.1, to those with the certificate."""
    assert tls.cert is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsStream  # two threads may use it at once
    context.load_cert_chain(tls.cert, tls.key)
    context.load_verify_locations(tls.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=_serve, args=(plain, context, path)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _serve(plain: socket.socket, context: ssl.SSLContext, path: str) -> None:
    with plain, socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
        near = context.wrap_socket(plain, server_side=True)
        assert isinstance(near, TlsStream)
        near.share()
        with near:
            far.connect(path)
            back = threading.Thread(target=_pump, args=(far, near))
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
