"""`builder_options.apt_snapshot`: packages as they were on a day, whatever the archive has now."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder

CONTROL = """Package: dated-tool
Version: {version}
Architecture: all
Maintainer: t <t@t.test>
Description: t
"""
SOURCES = """rm -f /etc/apt/sources.list.d/* && cat > /etc/apt/sources.list <<'END'
deb [trusted=yes] http://nowhere.invalid/debian/ ./
END"""


def publish(folder: Path, version: str) -> None:
    """Make an archive of one package."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL.format(version=version))
    (tree / "dated").write_text(version)
    deb = folder / f"dated-tool_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Zgzip", str(tree), str(deb)], check=True)
    digest = subprocess.run(["sha256sum", deb], check=True, capture_output=True, text=True)
    (folder / "Packages").write_text(
        CONTROL.format(version=version)
        + f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\n"
        + f"SHA256: {digest.stdout.split()[0]}\n"
    )


@pytest.fixture(name="snapshots")
def _snapshots(tmp_path: Path) -> Iterator[str]:
    """The URL of two days of an archive."""
    for day, version in (("20260101T000000Z", "1.0"), ("20260201T000000Z", "2.0")):
        publish(tmp_path / "debian" / day, version)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_packages_are_those_of_the_day(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, snapshots: str
) -> None:
    """One spec a day; the image's own sources stay as they are."""
    base = spec(name="base", commands=[SOURCES])
    for day, version in (("20260101T000000Z", "1.0"), ("20260201T000000Z", "2.0")):
        url = f"{snapshots}/{{archive}}/{day}"
        wanted = spec(
            base_image=base,
            apt_packages=["dated-tool"],
            builder_options={"network": "host", "apt_snapshot": url},
        )
        image = pulled(builder.build(wanted))

        assert image.path("/dated").read_text() == version
        assert "nowhere.invalid" in image.path("/etc/apt/sources.list").read_text()
        assert not image.contains(b"127.0.0.1:" + snapshots.rpartition(":")[2].encode())
