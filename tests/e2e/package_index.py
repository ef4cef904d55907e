"""A package index on this machine's loopback, with or without a login."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class PackageIndex:
    """One that runs.

    Attributes:
        port: Its port on the loopback.
        asked: Paths that were asked for with success.
    """

    port: int
    asked: list[str]

    @property
    def url(self) -> str:
        """The URL of the index."""
        return f"http://127.0.0.1:{self.port}/simple"

    def with_login(self, login: str) -> str:
        """Return the URL with a login in it."""
        return self.url.replace("//", f"//{login}@")


def write_wheel(folder: Path, name: str, version: str, *needs: str) -> Path:
    """Write the wheel of a package whose module has its version as ``WORD``."""
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {one}\n" for one in needs)
    files = {
        f"{name}.py": f"WORD = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            # As old as time: the same wheel whenever it is written.
            archive.writestr(zipfile.ZipInfo(path), text)
    return target


@contextmanager
def running_index(folder: Path, login: str = "") -> Iterator[PackageIndex]:
    """Run an index of the wheels in *folder*, and of the files below it.

    Args:
        folder: Holds the wheels.
        login: User and password with ``:`` between them; empty wants none.
    """
    expected = "Basic " + base64.b64encode(login.encode()).decode()
    asked: list[str] = []

    def page(name: str) -> bytes:
        links = []
        for wheel in sorted(folder.glob(f"{name}-*.whl")):
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            links.append(f'<a href="/{quote(wheel.name)}#sha256={digest}">{wheel.name}</a>')
        return "".join(links).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0]).strip("/")
            status, body, kind = 404, b"", "application/octet-stream"
            if login and self.headers.get("Authorization") != expected:
                status = 401
            elif (not path or path.startswith("simple/")) and (body := page(path[7:] or "*")):
                status, kind = 200, "text/html"
            elif (folder / path).is_file():
                status, body = 200, (folder / path).read_bytes()
            if status == 200:
                asked.append(path)
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield PackageIndex(server.server_port, asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_repository(folder: Path, bare: Path) -> str:
    """Make a repository of a project called ``gx``, to be served as plain files."""
    folder.mkdir()
    project = '[project]\nname = "gx"\nversion = "1"\n[tool.setuptools]\npy-modules = []\n'
    (folder / "pyproject.toml").write_text(project)
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message=first"],
        ["clone", "--quiet", "--bare", ".", str(bare)],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    return bare.name
