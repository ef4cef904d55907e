"""Where logins come from, and in which order."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path

import pytest

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry import Logins
from buildkit_spec.values import Credentials

HELPER = """#!/bin/sh
echo call >> "$HELPER_LOG"
read -r server
case "$server" in
  https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"hub-user","Secret":"s3cret"}' ;;
  token.example) echo '{"Username":"<token>","Secret":"identity"}' ;;
  none.example|ghcr.io) echo "credentials not found in native keychain"; exit 1 ;;
  empty.example) echo '{"Username":"","Secret":""}' ;;
  locked.example) printf 'line one\\n\\033[31mkeychain is locked\\n'; exit 3 ;;
  stderr.example) echo "no display" >&2; exit 1 ;;
  garbage.example) echo 's3cret' ;;
  slow.example) exec sleep 30 ;;
esac
"""


@pytest.fixture(name="env")
def _env(tmp_path: Path) -> dict[str, str]:
    """A home with one credential helper on PATH and nothing of this machine."""
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(HELPER)
    helper.chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "PATH": f"{helper.parent}:{os.environ['PATH']}",
        "HELPER_LOG": str(tmp_path / "helper.log"),
    }


def write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def auths(user: str, *hosts: str) -> dict[str, object]:
    auth = base64.b64encode(f"{user}:word".encode()).decode()
    return {"auths": {host: {"auth": auth} for host in hosts}}


def calls(env: dict[str, str]) -> int:
    log = Path(env["HELPER_LOG"])
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_no_files_are_no_logins(env: dict[str, str]) -> None:
    """A machine without any login file has no login."""
    assert Logins.load(env).credentials("ghcr.io") is None


def test_files_are_asked_in_order(tmp_path: Path, env: dict[str, str]) -> None:
    """The file that is named wins, then Docker's, then podman's two."""
    env |= {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "REGISTRY_AUTH_FILE": str(tmp_path / "named")}
    hosts = ["a.example", "b.example", "c.example", "d.example"]
    write(tmp_path / "named", auths("named", *hosts[:1]))
    write(tmp_path / ".docker" / "config.json", auths("docker", *hosts[:2]))
    write(tmp_path / "run" / "containers" / "auth.json", auths("run", *hosts[:3]))
    write(tmp_path / ".config" / "containers" / "auth.json", auths("podman", *hosts))
    logins = Logins.load(env)
    found = [logins.credentials(host) for host in hosts]

    assert [login.username for login in found if login] == ["named", "docker", "run", "podman"]


def test_docker_config_names_a_directory(tmp_path: Path, env: dict[str, str]) -> None:
    """`DOCKER_CONFIG` is read instead of `~/.docker`."""
    write(tmp_path / ".docker" / "config.json", auths("home", "ghcr.io"))
    write(tmp_path / "other" / "config.json", auths("other", "ghcr.io"))
    logins = Logins.load({**env, "DOCKER_CONFIG": str(tmp_path / "other")})

    assert logins.credentials("ghcr.io") == Credentials("other", "word")


def test_malformed_file_is_told_when_a_login_is_asked_for(
    tmp_path: Path, env: dict[str, str]
) -> None:
    """Nothing is read until a registry asks for a login; then a bad file is an error."""
    path = tmp_path / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text("{")
    logins = Logins.load(env)

    with pytest.raises(RegistryAuthError, match=r"config\.json: not JSON"):
        logins.credentials("ghcr.io")


def test_helper_is_asked_for_hub_under_its_key(tmp_path: Path, env: dict[str, str]) -> None:
    """Docker Hub's login is kept by helpers under its old address, whatever name is asked."""
    write(tmp_path / ".docker" / "config.json", {"credsStore": "test"})
    logins = Logins.load(env)

    for name in ("docker.io", "registry-1.docker.io", "index.docker.io"):
        assert logins.credentials(name) == Credentials("hub-user", "s3cret")
    assert calls(env) == 1


def test_helper_of_a_host_goes_before_the_store(tmp_path: Path, env: dict[str, str]) -> None:
    """`credHelpers` decides for its host, `credsStore` for the others."""
    config = {"credHelpers": {"docker.io": "test"}, "credsStore": "absent"}
    write(tmp_path / ".docker" / "config.json", config)
    logins = Logins.load(env)

    assert logins.credentials("docker.io") == Credentials("hub-user", "s3cret")
    with pytest.raises(RegistryAuthError, match=r"docker-credential-absent.*not on PATH") as caught:
        logins.credentials("ghcr.io")
    assert "'absent'" in caught.value.remedy


def test_helper_may_give_an_identity_token(tmp_path: Path, env: dict[str, str]) -> None:
    """The user `<token>` says that the secret is an identity token."""
    write(tmp_path / ".docker" / "config.json", {"credsStore": "test"})

    assert Logins.load(env).credentials("token.example") == Credentials(identity_token="identity")


def test_helper_without_the_login_leaves_it_to_the_entries(
    tmp_path: Path, env: dict[str, str]
) -> None:
    """A login that the helper does not have may stand in the file."""
    write(tmp_path / ".docker" / "config.json", {"credsStore": "test", **auths("file", "ghcr.io")})
    logins = Logins.load(env)

    assert logins.credentials("none.example") is None
    assert logins.credentials("empty.example") is None
    assert logins.credentials("ghcr.io") == Credentials("file", "word")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("locked.example", r"failed for locked.example with exit code 3: \[31mkeychain is locked"),
        ("stderr.example", "with exit code 1: no display"),
        ("garbage.example", "gave no JSON with Username and Secret"),
        ("slow.example", r"did not answer in 0\.5 s"),
    ],
)
def test_helper_that_fails_is_told_in_its_own_words(
    tmp_path: Path, env: dict[str, str], host: str, message: str
) -> None:
    """A helper that fails is an error with its words and a command to see them; no secret."""
    path = tmp_path / "config.json"
    write(path, {"credsStore": "test"})
    with pytest.raises(RegistryAuthError, match=message) as caught:
        Logins([path], env=env, helper_timeout_s=0.5).credentials(host)

    assert "docker-credential-test" in caught.value.remedy
    assert "s3cret" not in str(caught.value) + repr(caught.value.__context__)


def test_helper_name_cannot_lead_elsewhere(tmp_path: Path, env: dict[str, str]) -> None:
    """A helper's name is a name, not a path."""
    write(
        tmp_path / ".docker" / "config.json", {"credsStore": "x/../../bin/docker-credential-test"}
    )
    with pytest.raises(RegistryAuthError, match="not on PATH"):
        Logins.load(env).credentials("ghcr.io")

    assert calls(env) == 0


def test_helper_runs_once_for_many_threads(tmp_path: Path, env: dict[str, str]) -> None:
    """Threads that ask at the same time share one answer."""
    write(tmp_path / ".docker" / "config.json", {"credsStore": "test"})
    logins = Logins.load(env)
    found: list[Credentials | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(logins.credentials("docker.io")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [Credentials("hub-user", "s3cret")] * 8
    assert calls(env) == 1
