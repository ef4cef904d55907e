"""Packages of a private index: found with its login, which is found nowhere else."""

from __future__ import annotations

import base64
import hashlib
import threading
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from making import MakeSpec, Pulled
from registries import Reply, make_certificate, odd_server

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import ExecError
from buildkit_spec.values import StatusUpdate

USER, PASSWORD = "reader", "hunter2-index"
HOST = {"network": "host"}
"""The index is on this machine's loopback."""


@dataclass(frozen=True)
class Index:
    """A package index that wants a login, with packages called ``privately`` and ``unseen``.

    It tells no sizes. The second package is another file in every run: no builder has met it.
    """

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    @property
    def url_with_login(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}/simple"


def _wheel(target: Path, name: str, text: str) -> bytes:
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return target.read_bytes()


@pytest.fixture(scope="module", name="index")
def _index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    texts = {"privately": "WORD = 'private'\n", "unseen": f"# {uuid.uuid4()}\n"}
    pages: dict[str, bytes] = {}
    for package, text in texts.items():
        name = f"{package}-1.0-py3-none-any.whl"
        wheel = pages[f"/files/{name}"] = _wheel(folder / name, package, text)
        link = f'<a href="/files/{name}#sha256={hashlib.sha256(wheel).hexdigest()}">{name}</a>'
        pages[f"/simple/{package}/"] = link.encode()
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = 200, pages.get(self.path, b"")
            if self.headers.get("Authorization") != expected:
                status, body = 401, b""
            elif self.path not in pages:
                status = 404
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            kind = "text/html" if self.path.startswith("/simple") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Index(server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_package_of_a_private_index_is_installed_and_its_login_is_nowhere(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, index: Index
) -> None:
    """The login in the URL reaches the installer; no layer, config, history or status has it."""
    told: list[StatusUpdate] = []
    wanted = spec(packages=["privately"], pip_index=index.url_with_login, builder_options=HOST)
    result = builder.build(wanted, on_status=told.append)
    image = pulled(result)

    assert (
        image.run("python3", "-c", "import privately; print(privately.WORD)").stdout == "private\n"
    )
    assert not image.contains(PASSWORD.encode())
    assert PASSWORD not in repr((told, result, wanted))


def test_login_of_an_index_may_come_from_a_netrc(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, index: Index, tmp_path: Path
) -> None:
    """`pip_secret_mounts` brings the file to where the installer looks, for this step only."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1\nlogin {USER}\npassword {PASSWORD}\n")
    wanted = spec(
        packages=["privately==1.0"],
        pip_extra_index_url=[index.url],
        pip_secret_mounts=[(str(netrc), "/root/.netrc")],
        builder_options=HOST,
    )
    image = pulled(builder.build(wanted))

    assert image.run("python3", "-c", "import privately").returncode == 0
    assert not image.path("/root/.netrc").exists()
    assert not image.contains(PASSWORD.encode())


def test_heavy_package_of_an_index_with_a_netrc_has_a_layer_of_its_own(
    builder: BuildkitBuilder, spec: MakeSpec, index: Index, tmp_path: Path
) -> None:
    """Its size is asked with the login that the installer finds in the file."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    wanted = spec(
        packages=["unseen"],
        pip_extra_index_url=[index.url],
        pip_secret_mounts=[(str(netrc), "/root/.netrc")],
        builder_options={**HOST, "layers": {"heavy_mib": 0.0001}},
    )
    (plan,) = builder.plan(wanted).platforms

    assert "python unseen" in [stage.name for stage in plan.stages]


def test_index_with_a_certificate_of_the_company_is_trusted(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """`ca_bundle` holds for the resolver, for what asks for sizes, and for the installer."""
    name = f"company{uuid.uuid4().hex[:8]}"
    file = f"{name}-1.0-py3-none-any.whl"
    wheel = _wheel(tmp_path / file, name, "")
    link = f'<a href="/files/{file}#sha256={hashlib.sha256(wheel).hexdigest()}">{file}</a>'
    pages = {
        f"/simple/{name}/": Reply(headers={"Content-Type": "text/html"}, body=link.encode()),
        f"/files/{file}": Reply(body=wheel),
    }
    certificate = make_certificate(tmp_path / "tls", ips=("127.0.0.1",))
    with odd_server(lambda asked: pages.get(asked.path, Reply(404)), tls=certificate) as server:
        wanted = spec(
            packages=[name],
            pip_index=f"https://{server.host}/simple",
            builder_options={
                **HOST,
                "ca_bundle": str(certificate.authority),
                "layers": {"heavy_mib": 0.0001},
            },
        )
        stages = builder.plan(wanted).platforms[0].stages
        image = pulled(builder.build(wanted))

    assert f"python {name}" in [stage.name for stage in stages]
    assert image.run("python3", "-c", f"import {name}").returncode == 0


def test_index_that_refuses_the_login_fails_without_showing_it(
    builder: BuildkitBuilder, spec: MakeSpec, index: Index
) -> None:
    """The error names packages and the remedy, and not the password."""
    wrong = index.url_with_login.replace(PASSWORD, "wrong-needle")
    # Another list than before: logins are in no cache key, so the same one would be cached.
    wanted = spec(packages=["privately<2"], pip_index=wrong, builder_options=HOST)

    with pytest.raises(ExecError) as caught:
        builder.build(wanted)

    assert caught.value.source == "packages"
    assert "wrong-needle" not in repr(vars(caught.value)) + str(caught.value)


def test_extra_arguments_reach_the_installer(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """They are split as a shell splits them."""
    wanted = spec(packages=["tabulate"], pip_extra_args="--exclude-newer '2022-01-01'")
    image = pulled(builder.build(wanted))

    version = "from importlib.metadata import version; print(version('tabulate'))"
    assert image.run("python3", "-c", version).stdout == "0.8.9\n"
