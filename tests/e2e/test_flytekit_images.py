"""What is in the images that are built for flytekit, as its own builder's have it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flytekit
import pytest
from pulled import PulledImage, pull

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
