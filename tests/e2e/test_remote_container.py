"""A daemon in a container, through a real `docker exec`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from failing import unique, wait_until
from far_program import write_far_program
from making import MakeSpec

from buildkit_spec import BuildkitBuilder
from buildkit_spec.client import Address, Client
from buildkit_spec.errors import ConnectionFailedError

ENGINE = Path(__file__).parents[2] / "scripts" / "engine"

Docker = Callable[..., str]


@pytest.fixture(name="docker", scope="module")
def _docker(buildkit_host: str) -> Docker:
    """Run Docker's command line: the machine's, or Debian's, unpacked privately."""
    if shutil.which("docker") is None:
        fetch = [ENGINE, "fetch", "docker-cli"]
        done = subprocess.run(fetch, check=True, capture_output=True, text=True)
        os.environ["PATH"] += f":{done.stdout.strip()}/usr/bin"
    os.environ.setdefault("DOCKER_HOST", f"unix://{Address.parse(buildkit_host).path}")

    def run(*words: str) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(name="container", scope="module")
def _container(
    docker: Docker,
    buildkit_host: str,
    base_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A container in which `buildctl` leads to the Engine's BuildKit."""
    program = tmp_path_factory.mktemp("far") / "buildctl"
    write_far_program(program, "/engine.sock")
    had = docker("image", "ls", "--quiet", base_image)
    name = f"buildkit-spec-{unique()[:12]}"
    volumes = {
        program: "/usr/local/bin/buildctl",
        Address.parse(buildkit_host).path: "/engine.sock",
    }
    options = [word for pair in volumes.items() for word in ("-v", f"{pair[0]}:{pair[1]}")]
    docker("run", "-d", "--name", name, "--network", "none", *options, base_image, "sleep", "900")
    yield name
    docker("rm", "--force", name)
    if not had:
        docker("image", "rm", base_image)


def test_build_through_docker_exec(container: str, docker: Docker, spec: MakeSpec) -> None:
    """An image is built and pushed, and nothing of it is left running in the container."""
    address = f"docker-container://{container}"

    result = BuildkitBuilder(address).build(spec(commands=[f"echo {unique()}"]))

    assert result.was_pushed
    own = 2  # the heading, and what the container was started with
    wait_until(lambda: len(docker("top", container).splitlines()) == own, "the end of buildctl")


def test_container_that_is_not_there_is_told(docker: Docker) -> None:
    """Docker's words are understood, whatever its version."""
    with pytest.raises(ConnectionFailedError, match="there is no container no-such") as caught:
        Client(Address.parse("docker-container://no-such"))

    assert caught.value.remedy.startswith("docker run -d --name no-such")


def test_context_that_is_not_there_is_told(container: str) -> None:
    """A Docker context that does not exist is told by its name."""
    with pytest.raises(ConnectionFailedError, match="there is no Docker context no-such"):
        Client(Address.parse(f"docker-container://{container}?context=no-such"))


def test_container_without_buildctl_is_told(docker: Docker, base_image: str) -> None:
    """A container of another image is told from one that does not run."""
    name = f"buildkit-spec-{unique()[:12]}"
    docker("run", "-d", "--name", name, "--network", "none", base_image, "sleep", "900")
    address = Address.parse(f"docker-container://{name}")
    try:
        with pytest.raises(ConnectionFailedError, match="there is no buildctl"):
            Client(address)
        docker("stop", "-t", "0", name)
        with pytest.raises(ConnectionFailedError, match=f"the container {name} is not running"):
            Client(address)
    finally:
        docker("rm", "--force", name)
