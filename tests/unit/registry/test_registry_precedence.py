"""Which of several logins for a registry counts, as tables of config files."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry import Logins
from buildkit_spec.values import Credentials

HUB_KEY = "https://index.docker.io/v1/"
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
GAR = "europe-west3-docker.pkg.dev"
NOBODY = "00000000-0000-0000-0000-000000000000"

HELPER = """#!/bin/sh
read -r server
case "$server" in
  none.example) echo "credentials not found in native keychain"; exit 1 ;;
  *.azurecr.io) echo '{"Username":"<token>","Secret":"refresh"}' ;;
  *) printf '{"Username":"%s","Secret":"%s"}' "${0##*-}" "$server" ;;
esac
"""


def entry(user: str, password: str = "word") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(name="env")
def _env(tmp_path: Path) -> dict[str, str]:
    """Two helpers on PATH that answer with their own name and what they were asked for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("one", "two"):
        program = programs / f"docker-credential-{name}"
        program.write_text(HELPER)
        program.chmod(0o755)
    return {"HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}


def user_of(env: dict[str, str], config: dict[str, Any], host: str, repository: str = "") -> str:
    path = Path(env["HOME"], ".docker", "config.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(config))
    found = Logins.load(env).credentials(host, repository)
    return found.username if found else "nobody"


@pytest.mark.parametrize(
    ("keys", "host", "winner"),
    [
        ([HUB_KEY], "docker.io", HUB_KEY),
        (["docker.io", HUB_KEY, "index.docker.io"], "docker.io", HUB_KEY),
        (["https://registry-1.docker.io/v2/"], "docker.io", "https://registry-1.docker.io/v2/"),
        ([f"{HUB_KEY}access-token", f"{HUB_KEY}refresh-token"], "docker.io", "nobody"),
        ([f"{HUB_KEY}access-token", HUB_KEY], "docker.io", HUB_KEY),
        (["https://ghcr.io/v1/", "ghcr.io"], "ghcr.io", "ghcr.io"),
        (["ghcr.io", "https://ghcr.io/v2/"], "ghcr.io", "ghcr.io"),
        (["https://ghcr.io/v2/"], "ghcr.io", "https://ghcr.io/v2/"),
        (["ghcr.io/v1/"], "ghcr.io", "ghcr.io/v1/"),
        (["http://localhost:30000/v1/"], "localhost:30000", "http://localhost:30000/v1/"),
        (["localhost:30000"], "localhost", "nobody"),
        (["localhost"], "localhost:30000", "nobody"),
        (["127.0.0.1:5000"], "127.0.0.1:5000", "127.0.0.1:5000"),
        (["[::1]:5000"], "[::1]:5000", "[::1]:5000"),
        (["https://[::1]:5000/v2/"], "[::1]:5000", "https://[::1]:5000/v2/"),
        (["azurecr.io"], "team.azurecr.io", "nobody"),
    ],
)
def test_entry_is_found_under_every_spelling_and_the_own_one_first(
    env: dict[str, str], keys: list[str], host: str, winner: str
) -> None:
    """Old keys count where there is no newer one; a port and a subdomain are part of a name."""
    auths = {key: entry(key.replace(":", "_")) for key in keys}

    assert user_of(env, {"auths": auths}, host) == winner.replace(":", "_")


@pytest.mark.parametrize(
    ("config", "host", "user"),
    [
        ({"credsStore": "one"}, "ghcr.io", "one"),
        ({"credsStore": "one", "credHelpers": {"ghcr.io": "two"}}, "ghcr.io", "two"),
        ({"credsStore": "one", "credHelpers": {"ghcr.io": "two"}}, "quay.io", "one"),
        ({"credsStore": "one", "auths": {"ghcr.io": {}}}, "ghcr.io", "one"),
        ({"credsStore": "one", "auths": {"ghcr.io": entry("file")}}, "ghcr.io", "one"),
        ({"credsStore": "one", "auths": {"none.example": entry("file")}}, "none.example", "file"),
        (
            {
                "credsStore": "one",
                "credHelpers": {"ghcr.io": ""},
                "auths": {"ghcr.io": entry("file")},
            },
            "ghcr.io",
            "file",
        ),
        ({"credHelpers": {HUB_KEY: "two", "docker.io": "one"}}, "docker.io", "two"),
        ({"credHelpers": {"docker.io": "one", HUB_KEY: "two"}}, "docker.io", "two"),
        ({"credHelpers": {"https://gcr.io": "two"}}, "gcr.io", "two"),
        ({"credHelpers": {GAR: "one"}}, GAR, "one"),
        ({"credHelpers": {"quay.io/team": "two"}}, "quay.io", "nobody"),
        ({"credHelpers": {"ghcr.io": "two"}}, "quay.io", "nobody"),
    ],
)
def test_helper_of_the_host_then_the_store_then_the_entries(
    env: dict[str, str], config: dict[str, Any], host: str, user: str
) -> None:
    """`credHelpers` decides for its host, even for none; what a helper lacks may be in auths."""
    assert user_of(env, config, host) == user


def test_namespace_of_a_key_limits_it(env: dict[str, str]) -> None:
    """Podman's keys are for a part of a registry; there is a login for some part of it, then."""
    config = {"auths": {"quay.io/team": entry("robot")}}

    assert user_of(env, config, "quay.io", "team/app") == "robot"
    assert user_of(env, config, "quay.io", "other/app") == "nobody"
    assert Logins.load(env).has_any("quay.io")
    assert not Logins.load(env).has_any("ghcr.io")


@pytest.mark.parametrize(
    ("host", "stored", "expected"),
    [
        (ECR, entry("AWS", "long=="), Credentials("AWS", "long==")),
        (GAR, entry("oauth2accesstoken", "ya29.x"), Credentials("oauth2accesstoken", "ya29.x")),
        (GAR, entry("_json_key", '{"a":"b:c"}\n'), Credentials("_json_key", '{"a":"b:c"}\n')),
        ("quay.io", entry("team+robot", "KEY"), Credentials("team+robot", "KEY")),
        ("harbor.example", entry("robot$p+ci", "x:y"), Credentials("robot$p+ci", "x:y")),
        (
            "team.azurecr.io",
            {**entry(NOBODY, ""), "identitytoken": "refresh"},
            Credentials(identity_token="refresh"),
        ),
        ("team.azurecr.io", entry(NOBODY, "access"), Credentials(NOBODY, "access")),
    ],
)
def test_login_of_each_registry_is_read_as_it_is_stored(
    env: dict[str, str], host: str, stored: dict[str, str], expected: Credentials
) -> None:
    """Users with signs in them, passwords with colons and lines, and Azure's identity tokens."""
    user_of(env, {"auths": {host: stored}}, host)

    assert Logins.load(env).credentials(host) == expected


def test_identity_token_may_come_from_a_helper(env: dict[str, str]) -> None:
    """A helper says so by the user `<token>`."""
    user_of(env, {"credHelpers": {"team.azurecr.io": "one"}}, "team.azurecr.io")

    found = Logins.load(env).credentials("team.azurecr.io")
    assert found == Credentials(identity_token="refresh")


def test_variable_goes_before_the_files(env: dict[str, str]) -> None:
    """`DOCKER_AUTH_CONFIG` holds logins for a CI job; what it lacks is in the files."""
    env["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"ghcr.io": entry("job")}})
    config = {"credsStore": "one"}

    assert user_of(env, config, "ghcr.io") == "job"
    assert user_of(env, config, "quay.io") == "one"


def test_variable_that_cannot_be_read_is_named(env: dict[str, str]) -> None:
    """The message has the variable's name and nothing of its value."""
    env["DOCKER_AUTH_CONFIG"] = '{"auths": {"ghcr.io": "s3cret"}}'
    with pytest.raises(RegistryAuthError) as caught:
        Logins.load(env).credentials("ghcr.io")

    assert caught.value.message == (
        "cannot read the registry logins in $DOCKER_AUTH_CONFIG: "
        "auths['ghcr.io'] is not a JSON object"
    )
    assert caught.value.remedy == "mend the variable, or unset DOCKER_AUTH_CONFIG"
