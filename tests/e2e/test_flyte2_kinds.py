"""Layers of Flyte 2's images, built: what each leaves in the image, or what is said about it."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flyte2s import Flyte2, uris, write_wheel
from pulled import pull

pytest.importorskip("flyte", reason="Flyte 2 is not installed")


@pytest.fixture(scope="module", name="run")
def _run(
    registry: str, base_image: str, buildkit_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Flyte2:
    home = tmp_path_factory.mktemp("home")
    return Flyte2(home, f"{registry}/e2e-{uuid.uuid4().hex[:12]}", home)


@pytest.fixture(name="index")
def _index(tmp_path: Path) -> Iterator[str]:
    """The URL of a package index that has one package, called ``only``, and nothing else."""
    write_wheel(tmp_path, "only", {"only.py": "word = 'only here'\n"})
    name = "only-1.0-py3-none-any.whl"
    wheel = (tmp_path / name).read_bytes()
    link = f'<a href="/{name}#sha256={hashlib.sha256(wheel).hexdigest()}">{name}</a>'
    pages = {"/simple/only/": link.encode(), f"/{name}": wheel}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            kind = "text/html" if self.path.startswith("/simple") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(pages.get(self.path, b""))))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(pages.get(self.path, b""))

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()
    thread.join()


def test_uv_is_in_the_image_whatever_the_first_layers_index_has(
    run: Flyte2, index: str, tmp_path: Path
) -> None:
    """It comes from this machine, not from an index; commands and later layers find it."""
    done = run(
        program="""
        image = base.with_pip_packages("only", index_url=os.environ["INDEX"]).with_commands(
            ["uv --version > /uv-version"]
        )
        print(flyte.build(image).uri)
        """,
        **{"BUILDKIT_SPEC_NETWORK": "host", "INDEX": index},
    )
    image = pull(uris(done.stdout)["image"], tmp_path / "pulled")
    assert image.run("python", "-c", "import only; print(only.word)").stdout == "only here\n"
    assert image.path("/uv-version").read_text().startswith("uv ")
