"""Throw-away registries of the tests: docker-registry as it is, a token server, odd web servers."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

USER = "ada"
PASSWORD = "right secret:1"
# bcrypt of USER and PASSWORD, as `htpasswd -nbB` prints it
_HTPASSWD = "ada:$2b$05$E4d8n61IKT9dgtJ16VSYGOe.poHdpOvAAfCYmCXoD6Z5.5ybmT4v2"


@dataclass(frozen=True)
class RunningRegistry:
    """A docker-registry process.

    `pushing` headers and `trust` are what `push_image` needs to put something into it.
    """

    host: str
    log: Path
    pushing: Mapping[str, str] = field(default_factory=dict)
    trust: ssl.SSLContext | None = None

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send one request, the test's own way."""
        connection = (
            http.client.HTTPSConnection(self.host, context=self.trust, timeout=10)
            if self.trust
            else http.client.HTTPConnection(self.host, timeout=10)
        )
        try:
            connection.request(method, path, body, {**self.pushing, **(headers or {})})
            response = connection.getresponse()
            response.read()
            return response
        finally:
            connection.close()

    def requests(self, at_least: int = 0) -> list[str]:
        """The lines of the access log; the registry writes them a moment after it answers."""
        for _ in range(200):
            lines = [line for line in self.log.read_text().splitlines() if " - - [" in line]
            if len(lines) >= at_least:
                break
            time.sleep(0.01)
        return lines


def registry_binary() -> str:
    """Find docker-registry: the engine's, or one on PATH."""
    named = os.environ.get("ENGINE_REGISTRY_BIN") or shutil.which("docker-registry")
    if not named:
        script = Path(__file__).parents[2] / "scripts" / "engine"
        told = subprocess.run([str(script), "env"], capture_output=True, text=True, check=True)
        lines = dict(
            line.removeprefix("export ").split("=", 1)
            for line in told.stdout.splitlines()
            if line.startswith("export ")
        )
        named = lines["ENGINE_REGISTRY_BIN"]
    assert Path(named).is_file(), "run scripts/engine up: the tests need a docker-registry"
    return named


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_registry(
    home: Path,
    *,
    auth: Mapping[str, Any] | None = None,
    tls: Certificate | None = None,
    clients: Path | None = None,
    pushing: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Iterator[RunningRegistry]:
    """Start docker-registry on a free port of a loopback address, with its files below `home`.

    Over TLS it may ask for client certificates of an authority, `clients`. Its environment may say
    what else its configuration would.
    """
    home.mkdir(parents=True, exist_ok=True)
    host = f"{address}:{free_port()}"
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(home / "data")}},
        "http": {"addr": host},
    }
    if auth:
        config["auth"] = auth
    if tls:
        config["http"]["tls"] = {"certificate": str(tls.chain), "key": str(tls.key)}
        if clients:
            config["http"]["tls"]["clientcas"] = [str(clients)]
    (home / "config.yml").write_text(yaml.safe_dump(config))
    log = home / "registry.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [registry_binary(), "serve", str(home / "config.yml")],
            stdout=out,
            stderr=out,
            env={
                "PATH": os.environ["PATH"],
                "OTEL_TRACES_EXPORTER": "none",
                **(environment or {}),
            },
        )
    try:
        _wait_for(host, process, log)
        trust = ssl.create_default_context(cafile=str(tls.authority)) if tls else None
        if tls and trust and clients:
            trust.load_cert_chain(tls.chain, tls.key)
        yield RunningRegistry(host, log, pushing or {}, trust)
    finally:
        process.terminate()
        process.wait(10)


def htpasswd_auth(home: Path) -> dict[str, Any]:
    """The `auth` section for Basic logins of USER with PASSWORD."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "htpasswd").write_text(_HTPASSWD + "\n")
    return {"htpasswd": {"realm": "tests, with a comma", "path": str(home / "htpasswd")}}


def basic(user: str = USER, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def push_image(
    registry: RunningRegistry,
    repository: str,
    tag: str,
    *,
    platform: str = "linux/amd64",
    labels: Mapping[str, str] | None = None,
    layer: bytes = b"",
) -> str:
    """Push an image without layers, or with one that is a tar archive; return its digest."""
    os_name, architecture, *_ = platform.split("/")
    layers = [layer] if layer else []
    digests = [_push_blob(registry, repository, one) for one in layers]
    config = json.dumps(
        {
            "os": os_name,
            "architecture": architecture,
            "config": {"Labels": dict(labels or {}), "Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": _push_blob(registry, repository, config),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest,
                "size": len(one),
            }
            for digest, one in zip(digests, layers, strict=True)
        ],
    }
    return put_manifest(registry, repository, tag, manifest)


def push_index(registry: RunningRegistry, repository: str, tag: str, *platforms: str) -> str:
    """Push an index with one image for each platform and an attestation; return its digest."""
    entries = []
    for platform in [*platforms, "unknown/unknown"]:
        os_name, architecture, *variant = platform.split("/")
        digest = push_image(registry, repository, f"{tag}-{architecture}", platform=platform)
        described = {"os": os_name, "architecture": architecture}
        if variant:
            described["variant"] = variant[0]
        size = int(
            registry.call(
                "HEAD", f"/v2/{repository}/manifests/{digest}", headers={"Accept": MANIFEST_TYPE}
            ).headers["Content-Length"]
        )
        entries.append(
            {"mediaType": MANIFEST_TYPE, "digest": digest, "size": size, "platform": described}
        )
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    return put_manifest(registry, repository, tag, index)


def put_manifest(
    registry: RunningRegistry, repository: str, tag: str, manifest: Mapping[str, Any]
) -> str:
    body = json.dumps(manifest).encode()
    path = f"/v2/{repository}/manifests/{tag}"
    answer = registry.call("PUT", path, body, {"Content-Type": str(manifest["mediaType"])})
    assert answer.status == 201, (answer.status, registry.log.read_text()[-2000:])
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _push_blob(registry: RunningRegistry, repository: str, data: bytes) -> str:
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    begun = registry.call("POST", f"/v2/{repository}/blobs/uploads/")
    assert begun.status == 202, (begun.status, registry.log.read_text()[-2000:])
    parts = urlsplit(begun.headers["Location"])
    done = registry.call(
        "PUT",
        f"{parts.path}?{parts.query}&digest={digest}",
        data,
        {"Content-Type": "application/octet-stream"},
    )
    assert done.status == 201, done.status
    return digest


def _wait_for(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    name, _, port = host.replace("[", "").replace("]", "").rpartition(":")
    for _ in range(400):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    raise AssertionError(f"{host} did not come up: {log.read_text()}")


# --- odd web servers -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What an odd server answers.

    `delay_s` passes before it, `cut` bytes of its body are left out, and the server may hang up
    after it without a word, or instead of it: `status` is 0 then. Its clock may be wrong.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    cut: int = 0
    hangs_up: bool = False
    clock_skew_s: int = 0


@dataclass(frozen=True)
class Asked:
    """One request that an odd server got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    """The client's: one for each connection."""


@dataclass
class OddServer:
    """A web server that answers what a function says, and remembers what it was asked."""

    host: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def odd_server(
    answer: Callable[[Asked], Reply], *, tls: Certificate | None = None
) -> Iterator[OddServer]:
    """Run a web server on a free loopback port."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        default_request_version = "HTTP/1.1"
        """So that who tries TLS first is answered in HTTP, and knows."""

        def _reply(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            request = Asked(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(size),
                self.client_address[1],
            )
            asked.append(request)
            reply = answer(request)
            time.sleep(reply.delay_s)
            if not reply.status:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            self.send_header("Date", self.date_time_string(time.time() + reply.clock_skew_s))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if self.command != "HEAD" or "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body)))
            if reply.cut:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: len(reply.body) - reply.cut])
            if reply.hangs_up:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _reply

        def log_message(self, *_: object) -> None:
            return

    with _serving(Handler, tls) as host:
        yield OddServer(host, asked)


class FaultyRegistry:
    """A proxy before a registry, that answers some requests otherwise than the registry does.

    Attributes:
        fault: Returns what is answered instead; or None, or what becomes of the right answer.
        faults: How many answers were wrong.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.host = ""
        self.fault: Fault = _no_fault
        self.faults = 0

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        made = self.fault(asked)
        if made is not None:
            self.faults += 1
            if isinstance(made, Reply):
                return made
        connection = http.client.HTTPConnection(self.behind, timeout=10)
        try:
            # The Host header goes on: where an upload continues is then on the proxy too.
            connection.request(asked.method, asked.path, asked.body, dict(asked.headers))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        own = {"date", "connection", "transfer-encoding"}
        if asked.method != "HEAD":
            own.add("content-length")
        headers = {key: text for key, text in response.getheaders() if key.lower() not in own}
        reply = Reply(response.status, headers, body)
        return made(reply) if made is not None else reply


Fault = Callable[[Asked], "Reply | Callable[[Reply], Reply] | None"]


def _no_fault(_: Asked) -> None:
    return None


@contextmanager
def faulty_registry(behind: str) -> Iterator[FaultyRegistry]:
    """Run a proxy before a registry on a free loopback port."""
    faulty = FaultyRegistry(behind)
    with odd_server(faulty.answer) as server:
        faulty.host = server.host
        yield faulty


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], tls: Certificate | None) -> Iterator[str]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64  # a burst of connections must not wait for the kernel's second try

        def handle_error(self, *_: object) -> None:
            return  # clients that hang up early are what some tests are about

    with Server(("127.0.0.1", 0), handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.chain, tls.key)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def tunnel(target: str, *, authorization: str = "") -> Iterator[OddServer]:
    """Run an http proxy that knows CONNECT only and leads every tunnel to `target`."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked("CONNECT", self.path, headers, b"", self.client_address[1]))
            if authorization and headers.get("proxy-authorization") != authorization:
                self.send_error(407)
                return
            self.send_response(200)
            self.end_headers()
            name, port = target.split(":")
            with socket.create_connection((name, int(port)), timeout=10) as far:
                back = threading.Thread(target=_relay, args=(far, self.connection))
                back.start()
                _relay(self.connection, far)
                back.join()

        def log_message(self, *_: object) -> None:
            return

    with _serving(Handler, None) as host:
        yield OddServer(host, asked)


def _relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


# --- certificates and tokens ---------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """Files (PEM) of a server certificate: its chain, its key, and the authority behind it."""

    authority: Path
    chain: Path
    key: Path


def make_certificate(
    home: Path, *names: str, days: int = 30, age_days: int = 0, ips: tuple[str, ...] = ()
) -> Certificate:
    """Make an authority and a server certificate that it signed."""
    home.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc) - timedelta(days=age_days)
    authority_key = rsa.generate_private_key(65537, 2048)
    key = rsa.generate_private_key(65537, 2048)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])

    def build(subject: x509.Name, public: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
        )

    authority = (
        build(issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server of the tests")])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(IPv4Address(ip)) for ip in ips]
    server = (
        build(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    made = Certificate(home / "ca.pem", home / "cert.pem", home / "key.pem")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made.chain.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return made


class TokenServer:
    """A token server as distribution's token.md and oauth.md describe it.

    USER with PASSWORD, or the refresh token `refresh_token`, may do everything; others may pull
    what is below `public/`.

    Attributes:
        expires_in_s: How long its tokens last, by the registry's clock.
        said: What it says of its tokens beside that; None leaves a word out.
        clock_skew_s: By how much its clock is ahead; what it signs is right all the same.
    """

    refresh_token = "refresh-token-of-the-tests"
    service = "registry of the tests"

    def __init__(self, home: Path, *, has_oauth: bool = True, expires_in_s: int = 300) -> None:
        self.certificate = make_certificate(home, "token.tests")
        self.has_oauth = has_oauth
        self.expires_in_s = expires_in_s
        self.said: dict[str, object] = {}
        self.clock_skew_s = 0

    def auth(self, host: str) -> dict[str, Any]:
        """The registry's `auth` section."""
        return {
            "token": {
                "realm": f"http://{host}/token",
                "service": self.service,
                "issuer": "issuer of the tests",
                "rootcertbundle": str(self.certificate.authority),
            }
        }

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        if asked.method == "POST":
            if not self.has_oauth:
                return Reply(405)
            form = parse_qs(asked.body.decode())
            is_known = (form.get("username"), form.get("password")) == ([USER], [PASSWORD]) or (
                form.get("refresh_token") == [self.refresh_token]
            )
            scopes = form.get("scope", [""])[0].split()
            if not is_known:
                return Reply(401)
        else:
            login = asked.headers.get("authorization")
            is_known = login == basic()
            if login and not is_known:
                return Reply(401)
            scopes = parse_qs(urlsplit(asked.path).query).get("scope", [])
        key = "access_token" if asked.method == "POST" else "token"
        issued_at = datetime.now(timezone.utc) + timedelta(seconds=self.clock_skew_s)
        said = {
            "expires_in": self.expires_in_s,
            "issued_at": issued_at.isoformat(),
            **self.said,
            key: self.token([scope for scope in scopes if is_known or ":public/" in scope]),
        }
        body = json.dumps({name: value for name, value in said.items() if value is not None})
        return Reply(
            200,
            {"Content-Type": "application/json"},
            body.encode(),
            clock_skew_s=self.clock_skew_s,
        )

    def token(self, scopes: list[str]) -> str:
        """Sign a token that allows `scopes`."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        chain = x509.load_pem_x509_certificate(self.certificate.chain.read_bytes())
        der = chain.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            "iss": "issuer of the tests",
            "sub": USER,
            "aud": self.service,
            "exp": now + self.expires_in_s,
            "nbf": now - 10,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        signed = b".".join(_part(json.dumps(part).encode()) for part in (header, claims))
        key = serialization.load_pem_private_key(self.certificate.key.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _part(signature)).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
