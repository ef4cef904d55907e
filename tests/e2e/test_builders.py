"""Named builders on the command line, from `add` to a build; a Docker context over TLS."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from making import MakeSpec
from tls_proxy import make_certificate, tls_proxy

from buildkit_spec import BuildkitBuilder
from buildkit_spec.client import Address

_IDENTITY = hashlib.sha256(b"lab").hexdigest()
"""Docker's name for the folders of a context called lab."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(name="cli")
def _cli(tmp_path: Path) -> Run:
    """Run the command with a configuration of its own, and no daemon in the environment."""
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    for name in ("BUILDKIT_HOST", "DOCKER_HOST", "DOCKER_CONTEXT"):
        env.pop(name, None)

    def run(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "buildkit_spec", *args],
            cwd=tmp_path,
            env={**env, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_builder_is_named_and_built_on(
    cli: Run, buildkit_host: str, registry: str, base_image: str, tmp_path: Path
) -> None:
    """A daemon gets a name, is chosen, is shown, is built on, and is forgotten."""
    (tmp_path / "image.yaml").write_text(
        f"name: named\nregistry: {registry}/e2e-builders\nbase_image: {base_image}\n"
    )
    assert cli("builders", "add", "lab", buildkit_host, "--use").returncode == 0
    assert cli("builders", "add", "gone", "unix:///no.sock").returncode == 0

    listed = cli("builders", "ls").stdout.splitlines()
    assert listed == [f"* lab  {buildkit_host}", "  gone unix:///no.sock"]
    shown = cli("builders", "inspect")
    assert shown.returncode == 0, shown.stderr
    assert "builder:   lab (the builder lab is the one in " in shown.stdout
    assert "platforms: linux/amd64" in shown.stdout
    done = cli("build", "image.yaml", "--force")
    assert done.returncode == 0, done.stderr
    assert cli("builders", "inspect", "gone").returncode == 3
    assert cli("build", "image.yaml", "--force", "--builder", "gone").returncode == 3
    assert cli("info", BUILDKIT_SPEC_BUILDER="gone").returncode == 3
    assert cli("builders", "rm", "lab", "gone").returncode == 0
    assert cli("builders", "ls").stdout == ""


def test_inspect_tells_how_long_certificates_hold(
    cli: Run, buildkit_host: str, tmp_path: Path
) -> None:
    """The CA's, our own and the daemon's certificate are shown with their dates."""
    tls = make_certificate(tmp_path / "certs")
    with tls_proxy(Address.parse(buildkit_host).path, tls) as port:
        address = f"docker://tcp://127.0.0.1:{port}"
        assert cli("builders", "add", "lab", address, "--tlsdir", "certs").returncode == 0
        done = cli("builders", "inspect", "lab")

    assert done.returncode == 0, done.stderr
    dated = re.findall(r"tls: +(.*) \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d$", done.stdout, re.M)
    assert dated == ["CA: CN=engine,", "our own: CN=engine,", "CN=engine,"]


def test_what_is_wrong_is_told_and_nothing_is_written(cli: Run, tmp_path: Path) -> None:
    """Wrong input ends with exit code 2, the reason, and the file as it was."""
    for words, told in (
        (("builders", "add", "x", "nowhere"), "address: 'nowhere': must begin with"),
        (("builders", "add", "-x", "tcp://a"), "No such option"),
        (("builders", "add", "x", "tcp://a", "--tlscert", "c"), "is of no use without key"),
        (("builders", "add", "x", "tcp://a", "--tlsdir=d", "--tlscacert=c"), "names all files"),
        (("builders", "use", "x"), "no builder has this name"),
        (("builders", "use"), "give a name, or --none"),
        (("builders", "rm", "x"), "no builder has this name"),
        (("info", "--builder", "x", "--addr", "tcp://a"), "give the one or the other"),
    ):
        done = cli(*words)
        assert done.returncode == 2, words
        assert told in done.stderr
    assert not (tmp_path / "config" / "buildkit-spec" / "config.toml").exists()


def test_projects_choice_is_used(cli: Run, buildkit_host: str, tmp_path: Path) -> None:
    """A project says where it is built; a flag goes first."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.buildkit-spec]\naddress = "{buildkit_host}"\n')

    assert f"address:   {buildkit_host} ({tmp_path}/pyproject.toml says so)" in cli("info").stdout
    assert cli("info", "--addr", "unix:///no.sock").returncode == 3


def test_build_on_a_docker_context_over_tls(
    buildkit_host: str, spec: MakeSpec, tmp_path: Path
) -> None:
    """The Engine of a context with certificates is built on, its HTTP API is asked over TLS too."""
    tls = make_certificate(tmp_path / "docker/contexts/tls" / _IDENTITY / "docker")
    with tls_proxy(Address.parse(buildkit_host).path, tls) as port:
        _write_context(tmp_path / "docker", f"tcp://127.0.0.1:{port}")
        env = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_CONTEXT": "lab"}
        env.pop("DOCKER_HOST", None)
        builder = BuildkitBuilder("docker://", env=env)

        with builder.connect() as client:
            assert client.is_docker_engine
        result = builder.build(spec(commands=[f"echo {os.urandom(8).hex()}"]))

    assert result.was_pushed


def _write_context(docker: Path, host: str) -> None:
    meta = docker / "contexts/meta" / _IDENTITY
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "lab", "Endpoints": endpoints}))
