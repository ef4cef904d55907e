"""`python_version`: the base's interpreter where it fits, otherwise one of the image's own."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import ExecError, SpecValidationError

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


@pytest.fixture
def mirror(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> Iterator[str]:
    """The URL of a list of interpreters: one, which steps on the host's network can fetch."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    archive = pulled(builder.build(spec(name="packed", commands=[PACK]))).path("/python.tar.gz")
    (folder / "python.tar.gz").write_bytes(archive.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    url = f"http://127.0.0.1:{server.server_port}"
    entry = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 11,
        "patch": 2,
        "prerelease": "",
        "url": f"{url}/python.tar.gz",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20260101",
    }
    (folder / "list.json").write_text(json.dumps({"cpython-3.11.2-linux-x86_64-gnu": entry}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"{url}/list.json"
    server.shutdown()
    thread.join()
    server.server_close()


def bare(spec: MakeSpec) -> ImageSpec:
    """A base image without Python."""
    return spec(name="bare", commands=["rm -r /usr/bin/python* /usr/lib/python3*"])


def test_python_is_installed_where_the_base_has_none(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, mirror: str
) -> None:
    """It is first on the path, packages go into it, and every user can run it."""
    wanted = spec(
        base_image=bare(spec),
        python_version="3.11",
        packages=["six"],
        builder_options={"network": "host"},
        builder_config={"python_downloads": mirror},
    )
    image = pulled(builder.build(wanted))

    where = "import six, sys; print(sys.executable, six.__file__.startswith('/opt/python'))"
    assert image.run("python3", "-c", where).stdout == "/opt/python/bin/python3 True\n"
    assert image.env["PATH"].startswith("/opt/python/bin:")
    assert image.path("/opt/python-versions").stat().st_mode & 0o005 == 0o005
    assert sorted(one.name for one in image.path("/opt").iterdir()) == [
        "python",
        "python-versions",
    ]


def test_python_that_cannot_be_fetched_names_the_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, mirror: str
) -> None:
    """The remedy is the option that says where interpreters come from."""
    wanted = spec(
        python_version="3.9",
        packages=["six"],
        builder_options={"network": "host"},
        builder_config={"python_downloads": mirror},
    )
    with pytest.raises(ExecError) as caught:
        builder.build(wanted)

    assert caught.value.source == "python_version"
    assert "python_mirror" in caught.value.remedy


def test_interpreter_that_is_named_and_not_there_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Whoever names one wants no other."""
    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(python_exec="/usr/bin/python9", packages=["six"]))

    (problem,) = caught.value.problems
    assert problem.field == "python_exec"


def test_interpreter_that_is_named_and_of_another_version_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The message tells both versions."""
    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(python_exec="/usr/bin/python3", python_version="3.9", packages=["six"]))

    (problem,) = caught.value.problems
    assert "3.11" in problem.message
    assert "3.9" in problem.message
