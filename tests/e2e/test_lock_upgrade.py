"""`buildkit-spec lock --upgrade`: what the index has now, not what it had."""

from __future__ import annotations

import threading
import uuid
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from making import MakeSpec

from buildkit_spec import BuildkitBuilder


def publish(index: Path, name: str, version: str) -> None:
    """Add a wheel to a static index."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    links = [f'<a href="{path.name}">{path.name}</a>' for path in folder.glob("*.whl")]
    (folder / "index.html").write_text("\n".join(links))


@pytest.fixture(name="index")
def _index(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL of the index that it is."""
    folder = tmp_path / "index"
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_upgrade_asks_the_index_again(
    builder: BuildkitBuilder, spec: MakeSpec, index: tuple[Path, str]
) -> None:
    """Neither the builder's cache nor the resolver's own has the say."""
    folder, url = index
    name = f"fresh{uuid.uuid4().hex[:8]}"
    wanted = spec(packages=[name], pip_index=url, builder_options={"network": "host"})
    publish(folder, name, "1.0")
    for _ in range(2):  # of the second the answer is one that an upgrade gave
        assert 'version = "1.0"' in builder.lock(wanted, upgrade=True)
    publish(folder, name, "2.0")

    assert 'version = "2.0"' in builder.lock(wanted, upgrade=True)
