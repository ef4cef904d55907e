"""Registries that refuse, miss or do not answer, asked by a real BuildKit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from failing import cli, docker_config, fails, unique, write_yaml
from making import MakeSpec
from registries import (
    RunningRegistry,
    basic,
    free_port,
    htpasswd_auth,
    push_image,
    running_registry,
)

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import (
    ExportError,
    ImageNotFoundError,
    RegistryAuthError,
    RegistryUnavailableError,
)

WRONG = basic(password="wrong secret:2")


@pytest.fixture(scope="module", name="private")
def _private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that wants a login, with the image ``team/base:1``."""
    home = tmp_path_factory.mktemp("private")
    login = {"Authorization": basic()}
    with running_registry(home, auth=htpasswd_auth(home / "auth"), pushing=login) as running:
        push_image(running, "team/base", "1")
        yield running


def test_failing_base_that_is_absent_is_named(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """An absent base image is surely absent: its name and what to check."""
    made = spec()
    base = f"{made.registry}/no-such-base:1"
    error = fails(builder, made.replace(base_image=base), ImageNotFoundError)

    assert error.reference == base
    assert f"there is no image {base}" in error.message
    assert "check name" in error.remedy


def test_failing_base_for_another_platform_is_named(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """A base image for another machine is not taken as it is."""
    name = f"e2e-{unique()}/base"
    push_image(RunningRegistry(registry, Path()), name, "1", platform="linux/s390x")
    error = fails(builder, spec(base_image=f"{registry}/{name}:1"), ImageNotFoundError)

    assert "linux/amd64" in error.message
    assert "linux/s390x" in error.remedy


def test_failing_private_base_without_login_asks_for_one(
    buildkit_host: str, spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """A private base image and no login: docker login, with the registry's name."""
    builder = BuildkitBuilder(buildkit_host, env=docker_config(tmp_path, {}))
    error = fails(builder, spec(base_image=f"{private.host}/team/base:1"), RegistryAuthError)

    assert error.reference == f"{private.host}/team/base:1"
    assert error.remedy.startswith(f"docker login {private.host}")


def test_failing_private_base_with_a_wrong_password_asks_for_another(
    buildkit_host: str, spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """A wrong password: docker login, and the password is not in the error."""
    builder = BuildkitBuilder(buildkit_host, env=docker_config(tmp_path, {private.host: WRONG}))
    error = fails(builder, spec(base_image=f"{private.host}/team/base:1"), RegistryAuthError)

    assert error.remedy.startswith(f"docker login {private.host}")
    assert "wrong secret" not in str(error)


def test_private_base_and_push_with_a_login_work(
    buildkit_host: str, spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """The same with the right password is built and pushed: the login is what was missing."""
    builder = BuildkitBuilder(buildkit_host, env=docker_config(tmp_path, {private.host: basic()}))
    made = spec(base_image=f"{private.host}/team/base:1", registry=f"{private.host}/{unique()}")

    result = builder.build(made)

    assert builder.registry.digest(result.reference) == result.digest


def test_failing_base_whose_registry_is_down_cannot_be_told(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Nobody listens where the base image should come from: nothing is known about the image."""
    host = f"127.0.0.1:{free_port()}"
    error = fails(builder, spec(base_image=f"{host}/team/base:1"), RegistryUnavailableError)

    assert error.is_temporary
    assert "connection refused" in error.message
    assert f"is {host} up" in error.remedy


def test_failing_registry_that_is_down_is_told_before_the_build(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Whether the image is there cannot be told: an error, not a build."""
    host = f"127.0.0.1:{free_port()}"
    seen: list[object] = []

    with pytest.raises(RegistryUnavailableError) as caught:
        builder.build(spec(registry=f"{host}/team"), on_status=seen.append)

    assert host in str(caught.value)
    assert not seen


def test_failing_push_to_a_registry_that_is_down_is_no_failed_build(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The push fails by itself: what was built is said to be built, and where it should go."""
    host = f"127.0.0.1:{free_port()}"

    with pytest.raises(ExportError) as caught:
        builder.build(spec(registry=f"{host}/team"), force=True)

    assert caught.value.reference.startswith(f"{host}/team/image:")
    assert "built but not pushed" in caught.value.message
    assert f"is {host} up" in caught.value.remedy


def test_failing_push_with_a_wrong_password_asks_for_another(
    buildkit_host: str, spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """Before the build the check says so; a forced one ends at the push, with the same remedy."""
    builder = BuildkitBuilder(buildkit_host, env=docker_config(tmp_path, {private.host: WRONG}))
    made = spec(registry=f"{private.host}/{unique()}")

    with pytest.raises(RegistryAuthError) as checked:
        builder.build(made)
    with pytest.raises(ExportError) as pushed:
        builder.build(made, force=True)

    for error in (checked.value, pushed.value):
        assert f"docker login {private.host}" in error.remedy
        assert "wrong secret" not in str(error)
    assert not any(
        f"/{made.registry.partition('/')[2]}/image/manifests/" in line and " 201 " in line
        for line in private.requests()
    )


def test_failing_push_changes_nothing_in_the_registry(
    buildkit_host: str, spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """The image that was under the name is there still, byte for byte, after a refused push."""
    good, bad = (
        BuildkitBuilder(buildkit_host, env=docker_config(tmp_path / name, {private.host: login}))
        for name, login in (("good", basic()), ("bad", WRONG))
    )
    made = spec(registry=f"{private.host}/{unique()}")
    first = good.build(made)

    with pytest.raises(ExportError):
        bad.build(made, force=True)

    assert good.registry.digest(first.reference) == first.digest


def test_failing_login_ends_the_command_line_with_1(
    spec: MakeSpec, private: RunningRegistry, tmp_path: Path
) -> None:
    """The command line names image and remedy, not the password, and exits with 1."""
    env = docker_config(tmp_path / "docker", {private.host: WRONG})
    file = write_yaml(tmp_path / "i.yaml", spec(base_image=f"{private.host}/team/base:1"))

    done = cli("build", file, "--force", "--progress", "plain", env=env)

    assert done.returncode == 1
    assert f"docker login {private.host}" in done.stderr
    assert f"{private.host}/team/base:1" in done.stderr
    assert "wrong secret" not in done.stderr
    assert "Traceback" not in done.stderr
