"""`conda_packages` and `conda_channels`."""

from __future__ import annotations

from pathlib import Path

import pytest
from conda import add_package, write_micromamba
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import ExecError


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a channel and a micromamba."""
    folder = tmp_path_factory.mktemp("conda")
    channel = folder / "channel"
    write_micromamba(folder / "micromamba")
    add_package(channel, "greeting", "1.0", {"share/greeting": "hello 1\n"}, subdir="noarch")
    add_package(channel, "greeting", "2.0", {"share/greeting": "hello 2\n"}, subdir="noarch")
    script = "#!/bin/sh\ncat /opt/conda/share/greeting\n"
    add_package(channel, "greeter", "0.1", {"bin/greeter": script}, depends=["greeting <2"])
    return folder


@pytest.fixture
def conda(builder: BuildkitBuilder, spec: MakeSpec, tools: Path) -> MakeSpec:
    """Make a spec whose base holds the channel, and whose micromamba is the one made here."""
    holder = spec(name="channel", source_root=str(tools), source_copy_mode="all")
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


def test_conda_packages_are_solved_and_installed(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """What they need comes with them, and their programs are on the path."""
    image = pulled(builder.build(conda(conda_packages=["greeter"])))

    assert image.run("greeter").stdout == "hello 1\n"
    assert image.env["CONDA_PREFIX"] == "/opt/conda"
    assert image.path("/opt/conda/conda-meta/history").read_text() == ""


def test_conda_and_python_packages_stand_beside_each_other(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """Without an interpreter of conda's the base's own is used."""
    wanted = conda(conda_packages=["greeting=2"], packages=["six"], apt_packages=["tree"])
    image = pulled(builder.build(wanted))

    assert image.path("/opt/conda/share/greeting").read_text() == "hello 2\n"
    assert image.run("python3", "-c", "import six; print('six')").stdout == "six\n"
    assert image.path("/usr/bin/tree").exists()


def test_packages_that_do_not_go_together_fail_with_their_names(
    builder: BuildkitBuilder, conda: MakeSpec
) -> None:
    """The solver says which."""
    with pytest.raises(ExecError) as caught:
        builder.build(conda(conda_packages=["greeter", "greeting=2"]))

    assert caught.value.source == "conda_packages"
    assert "greeting" in "\n".join(caught.value.log_tail)
