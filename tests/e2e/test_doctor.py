"""`buildkit-spec doctor` on a machine that builds, and on those that cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from failing import ThrowawayEngine, cli, docker_config, write_yaml
from making import MakeSpec
from registries import (
    PASSWORD,
    TokenServer,
    basic,
    htpasswd_auth,
    odd_server,
    running_registry,
)

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


def test_doctor_tries_what_a_spec_deals_with(tmp_path: Path, spec: MakeSpec) -> None:
    """Target, base and caches are asked for what the build needs of each, and nothing is left."""
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry:
        env = docker_config(tmp_path / "docker", {registry.host: basic()})
        caches = [f"{registry.host}/caches/main"]
        made = spec(
            registry=f"{registry.host}/me",
            builder_options={"cache_from": caches, "cache_to": caches},
        )
        done = cli("doctor", "--json", write_yaml(tmp_path / "image.yaml", made), env=env)
        asked = registry.requests(at_least=10)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [(one["subject"], one["message"]) for one in lines]
    host = registry.host
    assert done.returncode == 0, done.stdout
    assert ("push", f"{host}/me/image may be pushed to") in found
    assert ("base image", f"{made.base_image} is there") in found
    assert ("caches", f"{host}/caches/main:latest is not there") in found
    assert ("caches", f"{host}/caches/main may be pushed to") in found
    begun = [line for line in asked if '"POST /v2/' in line and '" 202 ' in line]
    given_up = [line for line in asked if '"DELETE /v2/' in line and '" 204 ' in line]
    assert len(begun) == len(given_up) == 2
    assert not any('"PUT /v2/' in line for line in asked)


def test_doctor_tells_what_may_not_be_pushed(tmp_path: Path, spec: MakeSpec) -> None:
    """A registry that can be read and takes nothing: the build would end at its very end."""
    readonly = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}"}
    with running_registry(tmp_path, environment=readonly) as registry:
        made = spec(registry=f"{registry.host}/me", base_image=f"{registry.host}/no/base:1")
        done = cli("doctor", "--json", write_yaml(tmp_path / "image.yaml", made))
    found = told(done.stdout)

    assert done.returncode == 1
    assert found["registry"]["level"] == "ok"
    assert found["push"]["level"] == "bad"
    assert f"{registry.host} takes no pushes to me/image" in found["push"]["message"]
    assert found["push"]["remedy"]
    assert found["base image"]["level"] == "bad"


def test_doctor_tells_a_login_that_may_only_read(tmp_path: Path, spec: MakeSpec) -> None:
    """Nobody but who is logged in may push: told with the command that logs in."""
    tokens = TokenServer(tmp_path / "tokens")
    with (
        odd_server(tokens.answer) as server,
        running_registry(tmp_path / "registry", auth=tokens.auth(server.host)) as registry,
    ):
        made = spec(registry=f"{registry.host}/team")
        done = cli(
            "doctor",
            "--json",
            write_yaml(tmp_path / "image.yaml", made),
            env=docker_config(tmp_path / "docker", {}),
        )
    found = told(done.stdout)

    assert done.returncode == 1
    assert "may not push to" in found["push"]["message"]
    assert found["push"]["remedy"].startswith(f"docker login {registry.host}")


def test_doctor_does_as_a_spec_says_of_its_registry(
    tmp_path: Path, spec: MakeSpec, registry: str
) -> None:
    """Its `registry_config` holds: 0.0.0.0 is spoken to in the clear only when that says so."""
    host = registry.replace("127.0.0.1", "0.0.0.0")
    config = tmp_path / "registries.json"
    config.write_text(json.dumps({"registries": [{"name": host, "use_http": True}]}))
    made = spec(registry=f"{host}/e2e-doctor", registry_config=str(config))

    done = cli("doctor", "--json", write_yaml(tmp_path / "image.yaml", made))

    assert done.returncode == 0, done.stdout
    assert told(done.stdout)["registry"]["level"] == "ok"


def test_doctor_tells_whether_steps_may_have_the_host_s_network(
    spec: MakeSpec, tmp_path: Path
) -> None:
    """A daemon that refuses it is sound, unless the spec has such a step."""
    engine = ThrowawayEngine()
    config = json.loads((engine.home / "daemon.json").read_text())
    config["builder"] = {"Entitlements": {"network-host": False}}
    (engine.home / "daemon.json").write_text(json.dumps(config))
    plain, wants = (
        write_yaml(tmp_path / f"{network}.yaml", spec(builder_options={"network": network}))
        for network in ("none", "host")
    )
    try:
        engine.start()
        allowed = cli("doctor", "--json")
        needless, refused = (
            cli("doctor", "--json", file, "--addr", engine.address) for file in (plain, wants)
        )
    finally:
        engine.remove()

    assert "is allowed" in told(allowed.stdout)["entitlements"]["message"]
    assert "is not allowed" in told(needless.stdout)["entitlements"]["message"]
    assert needless.returncode == 0, needless.stdout
    assert told(refused.stdout)["entitlements"]["level"] == "bad"
    assert "--allow-insecure-entitlement" in told(refused.stdout)["entitlements"]["remedy"]
    assert refused.returncode == 3
