"""What is in the images that are built for flytekit, as its own builder's have it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flytekit
import pytest
from flytekits import mount
from making import MakeSpec
from pulled import PulledImage, pull
from test_fields_projects import make_wheel
from test_fields_python import bare

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.plugins.flytekit import FlytekitBuilder

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own

Built = Callable[..., PulledImage]


@pytest.fixture(name="built")
def _built(registry: str, base_image: str, tmp_path: Path) -> Built:
    """Build flytekit's specs and read the images back."""

    def build(**fields: Any) -> PulledImage:
        place = f"{registry}/{tmp_path.parent.name}-{os.getpid()}/{tmp_path.name}".lower()
        given = {"name": "image", "registry": place, "base_image": base_image, **fields}
        name = FlytekitBuilder().build_image(flytekit.ImageSpec(builder="buildkit", **given))
        assert name is not None
        return pull(name, tmp_path / f"root-{len(list(tmp_path.iterdir()))}")

    return build


def test_commands_find_uv_and_it_stays_out_of_the_image(built: Built) -> None:
    """As with flytekit's own builder: it installs into the image's interpreter."""
    image = built(commands=["uv pip install --no-deps sortedcontainers==2.4.0"])
    assert image.run("python3", "-c", "import sortedcontainers").returncode == 0
    assert image.run("/bin/sh", "-c", "command -v uv", check=False).returncode != 0
    assert not any(name.startswith("UV_") for name in image.env)


def test_bare_base_gets_certificates(built: Built, base_image: str) -> None:
    """Without Debian's bundle no task could speak TLS; where it is, nothing is installed."""
    lacking = ImageSpec(
        name="bare",
        registry=base_image.partition("/")[0],
        base_image=base_image,
        commands=["dpkg --purge --force-depends ca-certificates; rm -rf /etc/ssl/certs"],
    )
    bare = str(BuildkitBuilder().build(lacking).reference)
    image = built(base_image=bare)
    assert image.path("/etc/ssl/certs/ca-certificates.crt").stat().st_size > 0


def test_environment_is_as_flytes_own(built: Built) -> None:
    """What the user says wins; their PATH and LD_LIBRARY_PATH keep what they have."""
    plain = built().env
    assert plain["FLYTE_SDK_RICH_TRACEBACKS"] == "0"
    assert plain["PATH"].endswith(":/usr/local/nvidia/bin:/usr/local/cuda/bin")
    assert plain["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64"
    given = built(env={"FLYTE_SDK_RICH_TRACEBACKS": "1", "LD_LIBRARY_PATH": "/opt/lib"}).env
    assert given["FLYTE_SDK_RICH_TRACEBACKS"] == "1"
    assert given["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64:/opt/lib"


@pytest.mark.parametrize("is_managed", [False, True])
def test_runtime_packages_are_installed_as_the_pod_starts(
    built: Built, spec: MakeSpec, interpreters: str, is_managed: bool
) -> None:
    """By what flytekit's entrypoint runs, as its user: into Debian's Python and into uv's own."""
    fields: dict[str, Any] = {}
    if is_managed:
        fields = {
            "base_image": str(BuildkitBuilder().build(bare(spec)).reference),
            "python_version": "3.11",
            "builder_options": {"network": "host"},
            "builder_config": {"python_downloads": f"{interpreters}/list.json"},
        }
    image = built(runtime_packages=["parcel"], **fields)
    image.path("/wheels").mkdir()
    make_wheel(image.path("/wheels"))
    mount(image)
    python = image.run("python3", "-c", "import sys; print(sys.executable)").stdout.strip()
    install = f"{python} -m pip install --no-index --find-links /wheels parcel"
    done = image.run("/bin/sh", "-c", f"{install} && {python} -c 'import parcel'", user="flytekit")
    assert done.returncode == 0


def test_pyproject_gets_flytekit_beside_it(built: Built, tmp_path: Path) -> None:
    """A project that does not name flytekit gets it: the pod starts ``pyflyte-execute``."""
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "p"\nversion = "1"\ndependencies = ["iniconfig"]\n')
    image = built(requirements=str(file))
    assert image.run("python3", "-c", "import iniconfig").returncode == 0
    assert image.run("/bin/sh", "-c", "command -v pyflyte-execute").returncode == 0
