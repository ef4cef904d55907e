"""Packages of every kind are in the image that the registry has, and nothing of the build is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import ExecError
from buildkit_spec.host import uv_directory
from buildkit_spec.spec.defaults import UV_VERSION
from buildkit_spec.values import Platform

TRACES = ("/buildkit-spec", "ca.crt", ".deb", "lists/", "var/log/", ".cache", "bin/uv")


def test_packages_of_every_kind_are_installed(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """Python packages import in a base that PEP 668 guards; a Debian package's program runs."""
    built = builder.build(spec(packages=["humanize", "tabulate==0.9.0"], apt_packages=["tree"]))
    image = pulled(built)

    assert image.run("python3", "-c", "import humanize, tabulate").returncode == 0
    assert image.run("tree", "--version").stdout.startswith("tree v")


def test_image_holds_nothing_of_the_build(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """No uv, no mount point, no CA bundle, no package list, log or archive is in any layer."""
    built = builder.build(spec(packages=["six"], apt_packages=["tree"], commands=["true"]))
    image = pulled(built)
    added = [name for number in range(1, len(image.layers)) for name in image.names(number)]

    kept = [name for name in added if ".wh." not in name]

    assert [name for name in kept if any(trace in name for trace in TRACES)] == []


def test_requirements_file_with_what_it_includes_is_installed(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``-r`` and ``-c`` are followed from the file's own folder, hashes are verified."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reqs").mkdir()
    (tmp_path / "reqs" / "main.txt").write_text("-r more.txt\n-c ../pins.txt\ntabulate\n")
    (tmp_path / "reqs" / "more.txt").write_text("humanize\n")
    (tmp_path / "pins.txt").write_text("tabulate==0.9.0\nhumanize==4.12.3\n")

    image = pulled(builder.build(spec(requirements="reqs/main.txt")))

    version = "from importlib.metadata import version as v; print(v('tabulate'), v('humanize'))"
    assert image.run("python3", "-c", version).stdout.split() == ["0.9.0", "4.12.3"]


def test_requirement_with_a_wrong_hash_fails_the_build(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash that does not fit what the index has is an error, not a warning."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text(f"six==1.16.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(ExecError) as caught:
        builder.build(spec(requirements="r.txt"))

    assert "ash mismatch" in "\n".join(caught.value.log_tail)


@pytest.fixture(scope="module", name="project")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a lock, made by uv itself."""
    root = tmp_path_factory.mktemp("project")
    (root / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["tabulate==0.9.0"]\n[dependency-groups]\ndev = ["six==1.16.0"]\n'
    )
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "lock"], cwd=root, check=True)
    export = ["export", "--format", "pylock.toml", "--no-dev", "--no-emit-project"]
    subprocess.run([*uv, *export, "--output-file", "pylock.toml"], cwd=root, check=True)
    return root


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "pyproject.toml"])
def test_project_files_are_installed(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    project: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lock or a project file gives its packages, without its development group."""
    monkeypatch.chdir(project)

    image = pulled(builder.build(spec(requirements=name)))

    assert image.run("python3", "-c", "import tabulate").returncode == 0
    assert image.run("python3", "-c", "import six", check=False).returncode != 0


def test_python_version_that_the_base_has_is_taken(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled
) -> None:
    """A version that fits, and an interpreter named by its path, are the base's own."""
    image = pulled(
        builder.build(
            spec(python_version="3.11", python_exec="/usr/bin/python3.11", packages=["six"])
        )
    )

    assert image.run("/usr/bin/python3.11", "-c", "import six").returncode == 0


@pytest.fixture(name="uv_program")
def _uv_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The uv program as a file in the current directory."""
    directory = uv_directory(UV_VERSION, Platform("linux", "amd64"), os.environ)
    shutil.copy(directory / "uv", tmp_path / "uv")
    monkeypatch.chdir(tmp_path)
    return "uv"


def test_uv_of_the_base_image_is_used_when_asked(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, uv_program: str
) -> None:
    """With ``uv: base`` the base's own program installs; the base here is a spec itself."""
    base = spec(name="base", copy=[uv_program], commands=["mv /root/uv /usr/local/bin/uv"])
    image = pulled(
        builder.build(spec(packages=["six"], base_image=base, builder_config={"uv": "base"}))
    )

    assert image.run("python3", "-c", "import six").returncode == 0


def test_uv_of_an_image_is_used_when_one_is_named(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, uv_program: str
) -> None:
    """An image that holds uv at ``/uv`` brings it; it is not in the result."""
    holder = builder.build(spec(name="holder", copy=[uv_program], commands=["mv /root/uv /uv"]))
    config = {"uv_image": str(holder.reference)}
    image = pulled(builder.build(spec(packages=["six"], builder_config=config)))

    assert image.run("python3", "-c", "import six").returncode == 0
    assert not image.path("/uv").exists()
