"""Docker's `config.json` and podman's `auth.json`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.registry.login_file import LoginFile
from buildkit_spec.values import Credentials


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def read(tmp_path: Path, data: Any) -> LoginFile:
    path = tmp_path / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    file = LoginFile.read(path)
    assert file is not None
    return file


def found(file: LoginFile, host: str, repository: str = "") -> Credentials | None:
    login = file.find(host, repository)
    return login.credentials if login else None


def test_absent_file_is_no_error(tmp_path: Path) -> None:
    """A file that is not there, or below what is no directory, holds no logins."""
    (tmp_path / "file").write_text("")

    assert LoginFile.read(tmp_path / "config.json") is None
    assert LoginFile.read(tmp_path / "file" / "config.json") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded("ada", "pass:word")}, Credentials("ada", "pass:word")),
        ({"auth": encoded("ada", "word\0\0")}, Credentials("ada", "word")),
        ({"username": "ada", "password": "word"}, Credentials("ada", "word")),
        (
            {"auth": encoded("0000", ""), "identitytoken": "token"},
            Credentials(identity_token="token"),
        ),
        ({}, None),
        ({"email": "ada@example.org"}, None),
    ],
)
def test_every_form_of_login_is_read(
    tmp_path: Path, entry: dict[str, str], expected: Credentials | None
) -> None:
    """A login is `auth`, a user with password, or an identity token; an empty entry is none."""
    assert found(read(tmp_path, {"auths": {"ghcr.io": entry}}), "ghcr.io") == expected


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://localhost:5000/", "localhost:5000"),
        ("https://gitlab.example/jwt/auth", "gitlab.example"),
        ("quay.io/v2/", "quay.io"),
        ("GHCR.io", "ghcr.io"),
    ],
)
def test_keys_of_all_ages_name_their_host(tmp_path: Path, key: str, host: str) -> None:
    """Server addresses and plain hosts name the same registry."""
    file = read(tmp_path, {"auths": {key: {"auth": encoded("ada", "word")}}})

    assert found(file, host) == Credentials("ada", "word")


def test_longest_namespace_wins(tmp_path: Path) -> None:
    """Podman's keys may be limited to a namespace; the closest one counts, by whole parts."""
    keys = ["quay.io", "quay.io/team", "quay.io/team/app"]
    file = read(tmp_path, {"auths": {key: {"auth": encoded(key, "word")} for key in keys}})

    def user(repository: str) -> str:
        credentials = found(file, "quay.io", repository)
        assert credentials is not None
        return credentials.username

    assert user("team/app") == user("team/app/deep") == "quay.io/team/app"
    assert user("team/application") == user("team") == "quay.io/team"
    assert user("teams/app") == user("") == "quay.io"
    assert found(file, "ghcr.io", "team/app") is None


def test_helpers_are_read_by_host(tmp_path: Path) -> None:
    """Helpers belong to hosts, the store to all others."""
    file = read(
        tmp_path,
        {"credHelpers": {"https://index.docker.io/v1/": "hub", "ghcr.io": "x"}, "credsStore": "s"},
    )

    assert (file.helpers, file.store) == ({"docker.io": "hub", "ghcr.io": "x"}, "s")


def test_empty_file_holds_nothing(tmp_path: Path) -> None:
    """An empty file, or one with nulls, is no error."""
    assert read(tmp_path, "").logins == ()
    assert read(tmp_path, {"auths": None, "credHelpers": None, "credsStore": None}).logins == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("{\n  'auths'", "not JSON at line 2 column 3"),
        ("[]", "the file is not a JSON object"),
        ({"auths": []}, "auths is not a JSON object"),
        ({"auths": {"ghcr.io": "word"}}, r"auths\['ghcr.io'\] is not a JSON object"),
        ({"credHelpers": {"ghcr.io": 1}}, "must be names"),
        ({"auths": {"ghcr.io": {"auth": "c2VjcmV0"}}}, "not base64 of user:password"),
        ({"auths": {"ghcr.io": {"auth": "secret!"}}}, "not base64 of user:password"),
        ({"auths": {"ghcr.io": {"auth": "//79"}}}, "not base64 of user:password"),
    ],
)
def test_malformed_file_is_named_without_its_content(tmp_path: Path, data: Any, why: str) -> None:
    """What is wrong is told with the file and the place, and never with what stands there."""
    with pytest.raises(RegistryAuthError, match=why) as caught:
        read(tmp_path, data)

    assert str(tmp_path / "config.json") in caught.value.message
    assert "secret" not in str(caught.value)
    assert "docker login" in caught.value.remedy


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read, or is not text, is an error that names it."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(RegistryAuthError, match="directory: "):
        LoginFile.read(tmp_path / "directory")
    with pytest.raises(RegistryAuthError, match="binary: not UTF-8"):
        LoginFile.read(tmp_path / "binary")
