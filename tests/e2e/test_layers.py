"""What a change costs: the layers of two manifests are compared as the registry has them."""

from __future__ import annotations

import functools
import http.server
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from making import MakeSpec
from trees import entries_of, layers_of, tree_of

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.errors import SpecValidationError
from buildkit_spec.llb import State
from buildkit_spec.parallel import in_parallel

ALL_HEAVY = {"layers": {"heavy_mib": 0.01}}
SIX_1_17 = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"


def ran(result: BuildResult) -> set[str]:
    """Stages of the steps that ran."""
    return {
        step.name.removeprefix("[").partition("] ")[0]
        for step in result.steps
        if not step.is_cached
    }


@pytest.fixture(name="files")
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a file to copy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("a,b\n")
    return tmp_path


# six and humanize share a bucket; tabulate has another one for itself.
BEFORE = ["six==1.16.0", "humanize==4.12.3"]


@pytest.mark.parametrize(
    ("after", "gone", "new"),
    [
        ([*BEFORE, "tabulate==0.9.0"], 0, 1),
        ([*BEFORE, "toml==0.10.2"], 0, 1),
        (["six==1.17.0", "humanize==4.12.3"], 1, 1),
        (["six==1.16.0"], 1, 1),
    ],
    ids=["added", "another-added", "bumped", "removed"],
)
def test_small_package_changes_one_layer(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path, after: list[str], gone: int, new: int
) -> None:
    """Added, bumped or removed: all other digests are equal, and stand in the same order."""
    wanted = spec(packages=BEFORE, apt_packages=["tree"], copy=["data"])
    first = layers_of(builder.build(wanted).reference)
    second = layers_of(builder.build(wanted.replace(packages=after)).reference)

    assert len(set(first) - set(second)) == gone
    assert len(set(second) - set(first)) == new
    kept = set(first) & set(second)
    assert [one for one in first if one in kept] == [one for one in second if one in kept]


def test_apt_package_changes_no_layer_of_python(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """The branches stand beside each other: one layer is another one."""
    wanted = spec(packages=[*BEFORE, "tabulate==0.9.0"], apt_packages=["tree"])
    first = layers_of(builder.build(wanted).reference)
    result = builder.build(wanted.replace(apt_packages=["tree", "hello"]))
    second = layers_of(result.reference)

    assert ran(result) <= {"apt"}
    assert (len(set(first) - set(second)), len(set(second) - set(first))) == (1, 1)


def holding(result: BuildResult, package: str) -> list[str]:
    """Digests of the layers that hold a package's files."""
    base = f"http://{result.reference.registry}/v2/{result.reference.repository}/blobs"
    return [
        digest
        for digest in layers_of(result.reference)
        if any(f"/{package}/" in path for path, _ in entries_of(f"{base}/{digest}", digest))
    ]


def test_images_share_the_layer_of_a_heavy_package(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Two specs that have nothing else in common; the registry holds it once."""
    one = builder.build(spec(packages=["tabulate==0.9.0", "toml"], builder_options=ALL_HEAVY))
    other = builder.build(
        spec(
            name="other",
            packages=["tabulate==0.9.0", "humanize"],
            apt_packages=["tree"],
            env={"A": "1"},
            commands=["echo > /made"],
            builder_options=ALL_HEAVY,
        )
    )

    (layer,) = holding(one, "tabulate")
    assert holding(other, "tabulate") == [layer]


def test_image_config_changes_no_layer(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path
) -> None:
    """Environment, labels, entrypoint and working directory: no step runs."""
    wanted = spec(packages=BEFORE, apt_packages=["tree"], copy=["data"], commands=["echo > /made"])
    first = builder.build(wanted)
    options = {"labels": {"x": "y"}, "workdir": "/srv"}
    second = builder.build(
        wanted.with_env({"A": "1"}).replace(entrypoint=["true"]).with_builder_options(options)
    )

    assert second.was_built
    assert ran(second) == set()
    assert layers_of(second.reference) == layers_of(first.reference)


def test_user_changes_no_layer_of_packages(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path
) -> None:
    """The working directory and the files become theirs; packages of every kind stay."""
    wanted = spec(packages=BEFORE, apt_packages=["tree"], copy=["data"])
    first = layers_of(builder.build(wanted).reference)
    result = builder.build(wanted.with_builder_options({"user": "nobody"}))
    second = layers_of(result.reference)

    assert ran(result) <= {"user", "copy"}
    assert len(set(first) - set(second)) == 1


def reaches(state: State, other: State) -> bool:
    """Whether a file system is built on what another one's last step left."""
    assert state.output is not None
    assert other.output is not None
    waiting, seen = [state.output.vertex], set()
    while waiting:
        vertex = waiting.pop()
        if vertex is other.output.vertex:
            return True
        if id(vertex) not in seen:
            seen.add(id(vertex))
            waiting += [output.vertex for output in vertex.inputs()]
    return False


def test_branches_do_not_wait_for_each_other(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path
) -> None:
    """No way leads from apt to a layer group, back, or from one group to another."""
    wanted = spec(packages=[*BEFORE, "tabulate"], apt_packages=["tree"], copy=["data"])
    (plan,) = builder.plan(wanted).platforms
    stages = {stage.name: stage.state for stage in plan.stages}
    branches = [state for name, state in stages.items() if name == "apt" or "python" in name]

    assert len(branches) == 3
    for one in branches:
        assert reaches(plan.state, one)
        assert not any(reaches(one, other) for other in branches if other is not one)
    assert reaches(stages["copy"], stages["apt"])


def test_layers_keep_to_what_the_spec_allows(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """However many packages are heavy, Python has no more layers than that."""
    packages = ["six", "humanize", "tabulate", "toml", "attrs", "idna"]
    options = {"layers": {"heavy_mib": 0.0, "buckets": 2, "max_layers": 4}}
    base = layers_of(builder.build(spec(commands=["true"])).reference)
    many = layers_of(builder.build(spec(packages=packages, builder_options=options)).reference)
    one = builder.build(spec(packages=packages, builder_options={"layers": "single"}))

    assert 1 < len(many) - (len(base) - 1) <= 4
    assert len(layers_of(one.reference)) - (len(base) - 1) == 1


def test_requirements_with_right_hashes_are_installed(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path
) -> None:
    """The hash of the file that will be installed is enough."""
    (files / "r.txt").write_text(f"six==1.17.0 --hash=sha256:{SIX_1_17}\r\n")
    tree = tree_of(builder.build(spec(requirements="r.txt")).reference)

    assert any(path.endswith("/six.py") for path in tree)


def test_requirement_without_hash_beside_one_with_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec, files: Path
) -> None:
    """Also when it is only needed by another: nothing unverified is installed."""
    (files / "r.txt").write_text(f"six==1.17.0 --hash=sha256:{SIX_1_17}\ntabulate==0.9.0\n")

    with pytest.raises(SpecValidationError, match="tabulate"):
        builder.build(spec(requirements="r.txt"))


def test_upgrade_of_what_the_base_holds_removes_the_old_files(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The base is a spec; other packages of the image are as they would be without it."""
    base = spec(name="base", packages=["tabulate==0.8.10", "six==1.16.0"])
    for one in (base, base.replace(registry=None)):
        wanted = spec(packages=["tabulate==0.9.0", "toml"], base_image=one)
        tree = tree_of(builder.build(wanted, force=True).reference)
        names = {path.rpartition("-packages/")[2] for path in tree if "tabulate" in path}

        assert "tabulate/__init__.py" in names
        assert not [name for name in names if "0.8" in name or name == "tabulate.py"]
        assert {path.rpartition("/")[2] for path in tree} >= {"six.py", "toml-0.10.2.dist-info"}


# --- built from source


BACKEND = """
import subprocess, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    subprocess.run(["tree", "--version"], check=True)
    name, info = "needy-1-py3-none-any.whl", "needy-1.dist-info"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as archive:
        archive.writestr("needy.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: needy\\nVersion: 1\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", f"needy.py,,\\n{info}/RECORD,,\\n")
    return name
"""
PROJECT = """
[project]
name = "needy"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of files on loopback, and the folder it serves."""
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()
        thread.join()


def on_host_network(wanted: ImageSpec) -> ImageSpec:
    """Its steps see this machine's loopback."""
    return wanted.with_builder_options({"network": "host"})


def test_source_distribution_finds_the_tools_of_the_system(
    builder: BuildkitBuilder, spec: MakeSpec, served: tuple[str, Path]
) -> None:
    """What a package needs to be built comes from apt: it is built where that is installed."""
    url, root = served
    with tarfile.open(root / "needy-1.tar.gz", "w:gz") as archive:
        for name, text in (("pyproject.toml", PROJECT), ("backend.py", BACKEND)):
            member = tarfile.TarInfo(f"needy-1/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    wanted = spec(packages=[f"needy @ {url}/needy-1.tar.gz", "six"], apt_packages=["tree"])
    tree = tree_of(builder.build(on_host_network(wanted)).reference)

    assert {path.rpartition("/")[2] for path in tree} >= {"needy.py", "six.py", "tree"}


def test_git_requirement_is_installed_at_its_commit(
    builder: BuildkitBuilder, spec: MakeSpec, served: tuple[str, Path]
) -> None:
    """git comes from apt; the branch is pinned when the plan is made."""
    url, root = served
    work = root / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text(PROJECT)
    (work / "backend.py").write_text(BACKEND.replace('"tree"', '"git"'))
    people = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    env = {**os.environ, **{f"GIT_{name}": "x" for name in people}}
    for command in (
        "init -q -b main",
        "add .",
        "commit -q -m first",
        "clone -q --bare . ../needy.git",
        "-C ../needy.git update-server-info",
    ):
        subprocess.run(["git", *command.split()], cwd=work, env=env, check=True)
    wanted = spec(packages=[f"needy @ git+{url}/needy.git@main"], apt_packages=["git"])
    result = builder.build(on_host_network(wanted))

    assert any(path.endswith("/needy.py") for path in tree_of(result.reference))


def test_source_distribution_of_the_index_is_built(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """docopt has no wheel; what builds it is not in the image."""
    tree = tree_of(builder.build(spec(packages=["docopt==0.6.2", "six"])).reference)
    names = {path.rpartition("/")[2] for path in tree}

    assert names >= {"docopt.py", "six.py"}
    assert not names & {"setuptools", "wheel"}


def test_image_is_a_base_where_its_layers_are_known_already(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """A daemon must not take the image of a base and one layer for that layer alone.

    It would in half of all cases: hence several.
    """

    def build_on_its_image(package: str) -> BuildResult:
        name = package.partition("==")[0]
        builder.build(spec(name=f"{name}-beside", packages=[package], apt_packages=["tree"]))
        alone = builder.build(spec(name=f"{name}-alone", packages=[package]))
        return builder.build(
            spec(name=f"{name}-on", base_image=str(alone.reference), commands=["test -x /bin/sh"])
        )

    packages = ["toml==0.9.6", "tabulate==0.8.7", "humanize==4.7.0", "six==1.13.0"]
    assert all(result.was_built for result in in_parallel(build_on_its_image, packages))
