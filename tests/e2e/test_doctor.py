"""`buildkit-spec doctor` on a machine that builds, and on those that cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from failing import cli, docker_config
from registries import PASSWORD, basic, htpasswd_auth, running_registry

from buildkit_spec.certs import add_client, init


def told(out: str) -> dict[str, dict[str, str]]:
    return {one["subject"]: one for one in map(json.loads, out.splitlines())}


def test_doctor_finds_nothing_where_builds_go_well(registry: str) -> None:
    """Address and why, version, platforms, layers, clock, cache, disk and registry are told."""
    done = cli("doctor", f"{registry}/nobody/nothing:1")

    assert done.returncode == 0, done.stderr
    assert "bad" not in done.stdout
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert "BUILDKIT_HOST is set" in lines["address"]
    assert "built side by side" in lines["layers"]
    assert "this machine's time" in lines["clock"]
    assert "linux/amd64" in lines["platforms"]
    assert f"{registry}, without a login" in lines["registry"]


def test_doctor_says_why_there_is_no_daemon(tmp_path: Path) -> None:
    """The rest is looked at all the same, and the exit code is that of no daemon."""
    done = cli("doctor", "--json", "--addr", f"unix://{tmp_path}/none.sock")
    found = told(done.stdout)

    assert done.returncode == 3
    assert "there is no such socket" in found["daemon"]["message"]
    assert found["daemon"]["remedy"]
    assert found["disk"]["level"] == "ok"


def test_doctor_tells_when_a_certificate_ends(tmp_path: Path) -> None:
    """One that ends within the month is a warning, with what renews it."""
    init(tmp_path / "certs")
    client = add_client(tmp_path / "certs", days=10)
    done = cli("doctor", "--json", "--addr", "tcp://127.0.0.1:1", "--tlsdir", client)
    found = told(done.stdout)

    assert done.returncode == 3
    assert found["certificate"]["level"] == "warn"
    assert "certs renew" in found["certificate"]["remedy"]


@pytest.mark.parametrize(
    ("password", "code"), [(PASSWORD, 0), ("wrong", 1)], ids=["right", "wrong"]
)
def test_doctor_tries_the_login(tmp_path: Path, password: str, code: int) -> None:
    """A login that the registry refuses is found before a build is."""
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry:
        env = docker_config(tmp_path / "docker", {registry.host: basic(password=password)})
        done = cli("doctor", "--json", f"{registry.host}/me/image:1", env=env)

    assert done.returncode == code, done.stdout
    assert told(done.stdout)["registry"]["level"] == ("ok" if code == 0 else "bad")
