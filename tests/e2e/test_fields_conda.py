"""`conda_packages` and `conda_channels`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conda import protected
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import ExecError, SpecValidationError


def test_conda_packages_are_solved_and_installed(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """What they need comes with them, and their programs are on the path."""
    image = pulled(builder.build(conda(conda_packages=["greeter"])))

    assert image.run("greeter").stdout == "hello 1\n"
    assert image.env["CONDA_PREFIX"] == "/opt/conda"
    assert image.path("/opt/conda/conda-meta/history").read_text() == ""


def test_only_the_environment_is_in_the_image(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """Archives and lists of the channels stay on the builder: nothing is beside the environment."""
    image = pulled(builder.build(conda(conda_packages=["greeter"])))
    names = image.names(len(image.layers) - 1)
    outside = [name for name in names if not f"{name}/".startswith("opt/conda/")]

    assert "opt/conda/bin/greeter" in names
    assert outside == ["opt"]


def test_python_of_conda_is_of_the_version_asked_for(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """Also where the base's would do: conda's is first on the path."""
    wanted = conda(conda_packages=["arrays"], packages=["six"], python_version="3.11")
    image = pulled(builder.build(wanted))

    assert image.run("sh", "-c", "command -v python3").stdout == "/opt/conda/bin/python3\n"
    assert image.run("python3", "--version").stdout.startswith("Python 3.11.")


def test_python_that_no_package_needs_is_not_brought(
    builder: BuildkitBuilder, conda: MakeSpec, pulled: Pulled
) -> None:
    """The base's is the one asked for already."""
    image = pulled(builder.build(conda(conda_packages=["greeter"], python_version="3.11")))

    assert not image.path("/opt/conda/bin/python3").exists()


def test_python_of_another_version_than_asked_for_is_refused(
    builder: BuildkitBuilder, conda: MakeSpec
) -> None:
    """A package may bring an interpreter that its version does not tell."""
    wanted = conda(conda_packages=["snakes"], packages=["six"], python_version="3.11")
    with pytest.raises(SpecValidationError, match=r"Python 3\.14\.1, the spec wants 3\.11"):
        builder.build(wanted)


@pytest.mark.parametrize("place", [".netrc", ".mamba/auth/authentication.json"])
def test_channel_with_a_login_is_read_with_a_secret(
    builder: BuildkitBuilder,
    conda: MakeSpec,
    channel: Path,
    tmp_path: Path,
    pulled: Pulled,
    place: str,
) -> None:
    """As micromamba finds it in the home directory; it is no part of the image."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    login = {"type": "BasicHTTPAuthentication", "user": "me", "password": "aHVudGVyMg=="}
    (tmp_path / "authentication.json").write_text(json.dumps({"127.0.0.1": login}))
    with protected(channel, "me", "hunter2") as url:
        wanted = conda(
            conda_packages=["greeter"],
            builder_options={
                "network": "host",
                "step_secrets": {f"/root/{place}": f"file:{tmp_path / Path(place).name}"},
            },
        ).replace(conda_channels=[url])
        image = pulled(builder.build(wanted))

    assert image.run("greeter").stdout == "hello 1\n"
    assert not image.contains(b"hunter2")
    assert not image.contains(b"aHVudGVyMg")


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
