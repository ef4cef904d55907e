"""A package index of small packages that nobody has ever installed, made when they are asked for.

So a measurement needs no network, finds nothing in any cache, and asks no real index for hundreds
of packages. What a package holds follows from its name and the index's salt.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.0"
HEAVY = "heavy"
"""A package with this in its name has a library of 8 MiB."""

_HEAVY_BYTES = 8 << 20
_MODULES, _FUNCTIONS = 8, 80
_JSON = "application/vnd.pypi.simple.v1+json"


@contextmanager
def serving(salt: str) -> Iterator[str]:
    """Serve the index on this machine's loopback; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(f"/{salt}", _Wheels(salt)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{salt}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def metadata(name: str) -> str:
    """Return the core metadata of a package; it needs no other."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n"


def wheel(name: str, salt: str) -> bytes:
    """Return the wheel of a package: modules of pure Python, about 60 KB, or 8 MiB more."""
    chance = random.Random(f"{salt} {name}")
    module = name.replace("-", "_")
    info = f"{module}-{VERSION}.dist-info"
    files: dict[str, bytes] = {f"{module}/__init__.py": b""}
    for number in range(_MODULES):
        functions = (
            f'def f{chance.randbytes(4).hex()}(x):\n    return x + "{chance.randbytes(24).hex()}"\n'
            for _ in range(_FUNCTIONS)
        )
        files[f"{module}/m{number}.py"] = "\n".join(functions).encode()
    if HEAVY in name:
        files[f"{module}/library.bin"] = chance.randbytes(_HEAVY_BYTES)
    files[f"{info}/METADATA"] = metadata(name).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


class _Wheels:
    """The wheels that were asked for, each made once."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._made: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> bytes:
        with self._lock:
            if name not in self._made:
                self._made[name] = wheel(name, self._salt)
            return self._made[name]


def _handler(root: str, wheels: _Wheels) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, _, rest = self.path.removeprefix(root).strip("/").partition("/")
            name = rest.partition("/")[0]
            if not self.path.startswith(root) or not name.startswith("bench-"):
                self._answer(404, "text/plain", b"")
            elif kind == "simple":
                self._answer(200, _JSON, _page(root, name, wheels.of(name)))
            elif rest.endswith(".metadata"):
                self._answer(200, "text/plain", metadata(name).encode())
            else:
                self._answer(200, "application/octet-stream", wheels.of(name))

        do_HEAD = do_GET

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _page(root: str, name: str, content: bytes) -> bytes:
    """Return a package's page. Source: Simple repository API, JSON form, version 1.1."""
    file = f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    entry = {
        "filename": file,
        "url": f"{root}/files/{name}/{file}",
        "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
        "core-metadata": {"sha256": hashlib.sha256(metadata(name).encode()).hexdigest()},
        "size": len(content),
    }
    page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [VERSION], "files": [entry]}
    return json.dumps(page).encode()
