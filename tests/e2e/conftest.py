"""A real BuildKit and a real registry for every test here: those of `scripts/engine`."""

from __future__ import annotations

import os
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from conda import make_tools
from interpreters import PACK, serving
from making import MakeSpec, Pulled
from pulled import PulledImage, pull

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec

ENGINE = Path(__file__).parents[2] / "scripts" / "engine"
_VARIABLES = ("BUILDKIT_HOST", "REGISTRY", "BASE_IMAGE", "ENGINE_DIR", "ENGINE_REGISTRY_BIN")


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """Bring the engine up when the environment does not name it; an error when that fails."""
    if all(os.environ.get(name) for name in _VARIABLES):
        return
    subprocess.run([ENGINE, "up"], check=True)
    done = subprocess.run([ENGINE, "env"], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        words = shlex.split(line)
        if words[:1] == ["export"]:
            name, _, value = words[1].partition("=")
            os.environ[name] = value
        elif words[:1] == ["unset"]:
            os.environ.pop(words[1], None)


@pytest.fixture(scope="session", name="buildkit_host")
def _buildkit_host(_engine: None) -> str:
    return os.environ["BUILDKIT_HOST"]


@pytest.fixture(scope="session", name="registry")
def _registry(_engine: None) -> str:
    """Host and port of a registry without login."""
    return os.environ["REGISTRY"]


@pytest.fixture(scope="session", name="base_image")
def _base_image(_engine: None) -> str:
    """Reference of a Debian image with Python."""
    return os.environ["BASE_IMAGE"]


@pytest.fixture(scope="session", name="multi_base")
def _multi_base(_engine: None) -> str:
    """Reference of a Debian image with Python, for amd64 and arm64; the machine runs both."""
    done = subprocess.run([ENGINE, "emulate"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.fixture(name="builder")
def _builder(buildkit_host: str) -> BuildkitBuilder:
    return BuildkitBuilder(buildkit_host)


@pytest.fixture(name="spec")
def _spec(registry: str, base_image: str) -> MakeSpec:
    """Make specs on the base image, in a repository no other test has."""
    unique = uuid.uuid4().hex[:12]

    def make(**fields: object) -> ImageSpec:
        return ImageSpec(
            **{
                "name": "image",
                "registry": f"{registry}/e2e-{unique}",
                "base_image": base_image,
                **fields,
            }
        )

    return make


@pytest.fixture(scope="session", name="conda_tools")
def _conda_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conda")
    make_tools(folder)
    return folder


@pytest.fixture(name="channel")
def _channel(conda_tools: Path) -> Path:
    """A conda channel."""
    return conda_tools / "channel"


@pytest.fixture(name="conda")
def _conda(builder: BuildkitBuilder, spec: MakeSpec, conda_tools: Path) -> MakeSpec:
    """Make a spec whose base holds the channel, and whose micromamba is the one made here."""
    holder = spec(name="channel", source_root=str(conda_tools), source_copy_mode="all")
    image = spec(
        name="micromamba",
        base_image=holder,
        commands=["install /root/micromamba /usr/bin/micromamba"],
    )

    def make(**fields: object) -> ImageSpec:
        return spec(
            base_image=holder,
            conda_channels=["file:///root/channel"],
            builder_config={"micromamba_image": str(builder.build(image).reference)},
            **fields,
        )

    return make


@pytest.fixture(name="interpreters")
def _interpreters(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> Iterator[str]:
    """Where interpreters come from; see `interpreters.serving`."""
    folder = tmp_path / "interpreters"
    folder.mkdir()
    image = pulled(builder.build(spec(name="packed", commands=[PACK])))
    with serving(folder, image.path("/python.tar.gz")) as url:
        yield url


@pytest.fixture(name="pulled")
def _pulled(tmp_path: Path) -> Pulled:
    """Read images back from the registry, unpacked under the test's own directory."""

    def read(result: BuildResult) -> PulledImage:
        return pull(str(result.reference), tmp_path / f"pulled-{uuid.uuid4().hex[:8]}")

    return read
