"""Packages of this machine: project folders, editable ones, wheels, repositories, locks."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from making import MakeSpec, Pulled
from pulled import pull

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import ResolutionError, SpecValidationError
from buildkit_spec.parallel import in_parallel

PROJECT = """[project]
name = "own-tool"
version = "1.2"
dependencies = ["six"]
[project.optional-dependencies]
tables = ["tabulate"]
[project.scripts]
own-tool = "own_tool:main"
[dependency-groups]
checks = ["toolz"]
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
packages = ["own_tool"]
"""

POETRY_LOCK = """
[[package]]
name = "six"
version = "1.17.0"
description = ""
optional = false
python-versions = ">=2.7"
groups = ["main"]
files = [
    {file = "six-1.17.0-py2.py3-none-any.whl", hash = "sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"},
]

[[package]]
name = "tabulate"
version = "0.9.0"
description = ""
optional = true
python-versions = ">=3.7"
groups = ["main"]
markers = "extra == \\"tables\\""
files = [
    {file = "tabulate-0.9.0-py3-none-any.whl", hash = "sha256:024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f"},
]

[extras]
tables = ["tabulate"]

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "CONTENT"
"""  # noqa: E501

INSTALLED = (
    "from importlib.metadata import distributions as d;"
    "print(*sorted({one.metadata['Name'].lower() for one in d()}))"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the current folder's ``lib``."""
    folder = tmp_path / "lib"
    (folder / "own_tool").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    code = "def main():\n    print('from own tool')\n"
    (folder / "own_tool/__init__.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    return folder


def make_wheel(folder: Path, word: str = "delivered") -> str:
    """Write the wheel of a package called ``parcel``; return its file's name."""
    info, name = "parcel-2.0.dist-info", "parcel-2.0-py3-none-any.whl"
    files = {
        "parcel.py": f"WORD = {word!r}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: parcel\nVersion: 2.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return name


def test_project_is_built_and_installed_with_what_it_needs(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """Its folder is not in the image."""
    image = pulled(builder.build(spec(packages=["./lib[tables]"])))

    assert image.run("own-tool").stdout == "from own tool\n"
    assert image.run("python3", "-c", INSTALLED).stdout == "own-tool six tabulate\n"
    assert not image.path("/root/lib").exists()


def test_editable_project_stands_in_the_image(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """It is imported from where ``copy`` would put it; other code is another image."""
    (project.parent / "req.txt").write_text("-e ./lib\n")
    first = builder.build(spec(requirements="req.txt"))
    image = pulled(first)

    where = "import own_tool; print(own_tool.__file__)"
    assert image.run("python3", "-c", where).stdout == "/root/lib/own_tool/__init__.py\n"
    (project / "own_tool/__init__.py").write_text("def main():\n    print('edited')\n")
    second = builder.build(spec(requirements="req.txt"))
    assert second.reference.tag != first.reference.tag
    assert pulled(second).run("own-tool").stdout == "edited\n"


def test_wheel_of_this_machine_is_installed(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """By its path, beside packages of the index."""
    name = make_wheel(project.parent)
    image = pulled(builder.build(spec(packages=[f"./{name}", "six"])))

    assert image.run("python3", "-c", "import parcel; print(parcel.WORD)").stdout == "delivered\n"


def test_builds_at_once_do_not_see_each_others_files(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wheels of one name in different folders: each image has its own folder's."""
    words = ["north", "south", "east"]
    specs = []
    for word in words:
        folder = tmp_path / word
        folder.mkdir()
        monkeypatch.chdir(folder)
        specs.append(spec(name=word, packages=[f"./{make_wheel(folder, word)}"]))
    results = in_parallel(builder.build, specs)

    for word, result in zip(words, results, strict=True):
        image = pull(str(result.reference), tmp_path / word / "image")
        assert image.run("python3", "-c", "import parcel; print(parcel.WORD)").stdout == f"{word}\n"


def test_repository_is_installed_at_its_commit(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """With git from the system's packages; the repository is in the base image here."""
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message=first"],
    ):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", str(project), str(project.parent / "own.git")],
        check=True,
    )
    # In an archive: a repository has empty folders, which `copy` leaves out.
    subprocess.run(["tar", "-cf", "own.tar", "own.git"], cwd=project.parent, check=True)
    unpack = "tar -C /srv --no-same-owner -xf /root/own.tar"
    base = spec(name="with-repository", copy=["own.tar"], commands=[unpack])
    wanted = spec(
        base_image=base,
        packages=["own-tool @ git+file:///srv/own.git@main"],
        apt_packages=["git"],
    )
    assert pulled(builder.build(wanted)).run("own-tool").stdout == "from own tool\n"


def test_package_built_from_source_sees_the_environment_of_the_base(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a `RUN` would: where compilers and libraries are; what the spec says goes before it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled/setup.py").write_text(
        "import os, setuptools\n"
        "words = [os.environ.get(name, '') for name in ('CUDA_HOME', 'CC', '_F_IMG_ID')]\n"
        "open('seen.py', 'w').write(f'WORDS = {words!r}')\n"
        "setuptools.setup(name='compiled', version='1', py_modules=['seen'])\n"
    )
    wanted = spec(
        base_image=spec(name="base", env={"CUDA_HOME": "/opt/cuda", "CC": "gcc"}),
        packages=["./compiled"],
        builder_options={"build_env": {"CC": "clang"}},
    )
    image = pulled(builder.build(wanted))

    seen = image.run("python3", "-c", "import seen; print(*seen.WORDS, sep=',')").stdout
    assert seen == "/opt/cuda,clang,\n"


def test_own_project_is_installed_beside_its_lock(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """With an extra and a group that the options name."""
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    options = {"install_project": "normal", "extras": ["tables"], "dependency_groups": ["checks"]}
    image = pulled(builder.build(spec(requirements="lib/uv.lock", builder_options=options)))

    assert image.run("own-tool").stdout == "from own tool\n"
    assert image.run("python3", "-c", INSTALLED).stdout == "own-tool six tabulate toolz\n"


def test_lock_that_does_not_fit_its_project_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec, project: Path
) -> None:
    """What was added to the project since is not left out in silence."""
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    edited = PROJECT.replace('["six"]', '["six", "humanize"]')
    (project / "pyproject.toml").write_text(edited)

    with pytest.raises(ResolutionError, match=r"uv\.lock does not fit"):
        builder.build(spec(requirements="lib/uv.lock"))


def test_workspace_installs_what_its_members_need(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """The root may be nothing but the workspace."""
    root = '[tool.uv.workspace]\nmembers = ["lib"]\n'
    (project.parent / "pyproject.toml").write_text(root)
    subprocess.run(["uv", "lock", "--quiet"], cwd=project.parent, check=True)
    image = pulled(builder.build(spec(requirements="uv.lock")))

    assert image.run("python3", "-c", INSTALLED).stdout == "six\n"


def test_poetry_lock_is_installed_without_poetry(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """Poetry reads it in the build, and is not in the image."""
    # Poetry asks indexes for more than a mirror may have: the lock is written without one.
    ask = "from poetry.factory import Factory as F; print(F().create_poetry().locker._content_hash)"
    run = ["uv", "run", "--quiet", "--no-project", "--with", "poetry>=2.1,<3", "python", "-c", ask]
    content = subprocess.run(run, cwd=project, check=True, stdout=subprocess.PIPE, text=True).stdout
    (project / "poetry.lock").write_text(POETRY_LOCK.replace("CONTENT", content.strip()))
    image = pulled(builder.build(spec(requirements="lib/poetry.lock")))

    assert image.run("python3", "-c", INSTALLED).stdout == "six\n"


def test_paths_that_are_not_there_are_told_at_once(spec: MakeSpec, project: Path) -> None:
    """Before anything is built, with what would be one."""
    (project.parent / "plain").mkdir()
    with pytest.raises(SpecValidationError) as caught:
        _ = spec(packages=["./nowhere", "./plain", "./no.whl"]).tag

    messages = [problem.message for problem in caught.value.problems]
    assert len(messages) == 3
    assert "no folder" in messages[0]
    assert "no Python project" in messages[1]
    assert "no file" in messages[2]
