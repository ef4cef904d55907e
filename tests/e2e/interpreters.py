"""A list of interpreters of the tests' own: the base image's, as uv installs one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ORIGIN = "https://github.com/astral-sh/python-build-standalone/releases/download"
"""Where uv's own list has interpreters; a mirror stands in its place."""

# The base's interpreter in the layout of an archive that uv installs.
PACK = """set -e
mkdir -p /tmp/python/bin /tmp/python/lib
cp /usr/bin/python3.11 /tmp/python/bin/
ln -s python3.11 /tmp/python/bin/python3
ln -s python3.11 /tmp/python/bin/python
cp -rL /usr/lib/python3.11 /tmp/python/lib/
find /tmp/python -name __pycache__ -prune -exec rm -r {} +
tar -C /tmp -czf /python.tar.gz python
rm -r /tmp/python"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, archive: Path) -> Iterator[str]:
    """Serve an interpreter on this machine's loopback.

    Yields:
        A URL: ``list.json`` below it names the interpreter where it is, ``elsewhere.json`` where
        uv's own list would have it.
    """
    (folder / "python.tar.gz").write_bytes(archive.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    url = f"http://127.0.0.1:{server.server_port}"
    for name, place in (("list.json", url), ("elsewhere.json", ORIGIN)):
        entry = {
            "name": "cpython",
            "arch": {"family": "x86_64", "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": 3,
            "minor": 11,
            "patch": 2,
            "prerelease": "",
            "url": f"{place}/python.tar.gz",
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "variant": None,
            "build": "20260101",
        }
        (folder / name).write_text(json.dumps({"cpython-3.11.2-linux-x86_64-gnu": entry}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
