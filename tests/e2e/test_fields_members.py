"""What a project or a lock names by path, or as a repository: sent, and installed with it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from making import MakeSpec, Pulled
from package_index import make_repository, running_index, write_wheel

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import ResolutionError, SpecValidationError

HOST = {"network": "host"}
INSTALLED = (
    "from importlib.metadata import distributions as d;"
    "print(*sorted({one.metadata['Name'].lower() for one in d()}))"
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


MEMBER = """[project]
name = "{name}"
version = "1"
requires-python = ">=3.9"
dependencies = [{needs}]
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
py-modules = ["{name}"]
"""
IMPORT = "import app; print(app.WORD)"


def write_project(folder: Path, name: str, needs: str = "", more: str = "", code: str = "") -> None:
    """Write a project of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(MEMBER.format(name=name, needs=needs) + more)
    (folder / f"{name}.py").write_text(code or f"WORD = {name!r}\n")


@pytest.fixture(name="app")
def _app(tmp_path: Path) -> Path:
    """A project that needs a member of its workspace, a folder beside it and a wheel."""
    app = tmp_path / "work"
    parcel = write_wheel(tmp_path, "parcel", "2.0")
    more = f"""[tool.uv.sources]
lib = {{ workspace = true }}
other = {{ path = "../other" }}
parcel = {{ path = "../{parcel.name}" }}
[tool.uv.workspace]
members = ["lib", "unused"]
"""
    code = "import lib, other, parcel, six\nWORD = [lib.WORD, other.WORD, parcel.WORD]\n"
    write_project(app, "app", '"lib", "other", "parcel", "six"', more, code)
    write_project(app / "lib", "lib", '"toolz"')
    write_project(app / "unused", "unused", '"tabulate"')
    write_project(tmp_path / "other", "other")
    return app


@pytest.mark.parametrize("file", ["uv.lock", "pyproject.toml"])
def test_projects_that_a_project_needs_are_installed(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, app: Path, file: str
) -> None:
    """Members of its workspace, folders and wheels; other code of one is another image."""
    subprocess.run(["uv", "lock", "--quiet"], cwd=app, check=True)
    options = {"install_project": "normal"}
    wanted = spec(requirements=f"work/{file}", builder_options=options)
    tag = wanted.tag
    image = pulled(builder.build(wanted))

    assert image.run("python3", "-c", IMPORT).stdout == "['lib', 'other', '2.0']\n"
    assert image.run("python3", "-c", INSTALLED).stdout == "app lib other parcel six toolz\n"
    (app / "lib/lib.py").write_text("WORD = 'edited'\n")
    assert wanted.tag != tag


def test_projects_are_editable_with_the_one_that_needs_them(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, app: Path
) -> None:
    """What the lock has as editable stands in the image."""
    subprocess.run(["uv", "lock", "--quiet"], cwd=app, check=True)
    options = {"install_project": "editable"}
    image = pulled(builder.build(spec(requirements="work/uv.lock", builder_options=options)))

    assert image.run("python3", "-c", IMPORT).stdout == "['lib', 'other', '2.0']\n"
    where = "import lib; print(lib.__file__)"
    assert image.run("python3", "-c", where).stdout == "/root/work/lib/lib.py\n"


def test_member_of_a_workspace_that_is_not_there_is_told_at_once(spec: MakeSpec, app: Path) -> None:
    """Before anything is built."""
    subprocess.run(["uv", "lock", "--quiet"], cwd=app, check=True)
    (app.parent / "parcel-2.0-py3-none-any.whl").unlink()
    with pytest.raises(SpecValidationError, match="there is no file") as caught:
        _ = spec(requirements="work/uv.lock").tag

    assert [one.field for one in caught.value.problems] == ["requirements"]


def test_lock_of_local_packages_and_a_repository_is_built_from(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """A wheel and a project of a requirements file are in the lock, and so is a commit."""
    folder = tmp_path / "index"
    folder.mkdir()
    repository = make_repository(tmp_path / "gx", folder / "gx.git")
    write_project(tmp_path / "lib", "lib", '"six"')
    parcel = write_wheel(tmp_path, "parcel", "2.0")
    path = tmp_path / "pylock.x.toml"
    with running_index(folder) as index:
        top = index.url.removesuffix("simple")
        (tmp_path / "req.txt").write_text(f"./{parcel.name}\n./lib\n")
        with (tmp_path / "req.txt").open("a") as file:
            file.write(f"gx @ git+{top}{repository}@main\n")
        wanted = spec(requirements="req.txt", apt_packages=["git"], builder_options=HOST)
        path.write_text(builder.lock(wanted.with_lock(path)))
        image = pulled(builder.build(wanted.with_lock(path).locked()))

    assert image.run("python3", "-c", INSTALLED).stdout == "gx lib parcel six\n"


def test_repository_in_the_lock_of_a_project_is_installed(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Its commit verifies it, as hashes do the other packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    repository = make_repository(tmp_path / "gx", folder / "gx.git")
    with running_index(folder) as index:
        source = f'[tool.uv.sources]\ngx = {{ git = "{index.url[:-6]}{repository}" }}\n'
        write_project(tmp_path / "app", "app", '"gx", "six"', source)
        subprocess.run(["uv", "lock", "--quiet"], cwd=tmp_path / "app", check=True)
        wanted = spec(requirements="app/uv.lock", apt_packages=["git"], builder_options=HOST)
        image = pulled(builder.build(wanted))

    assert image.run("python3", "-c", INSTALLED).stdout == "gx six\n"


def test_lock_of_a_newer_uv_is_an_error_that_says_so(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """With the setting that names another uv."""
    write_project(tmp_path, "app", '"six"')
    subprocess.run(["uv", "lock", "--quiet"], check=True)
    lock = tmp_path / "uv.lock"
    lock.write_text(lock.read_text().replace("version = 1\n", "version = 9\n", 1))

    with pytest.raises(ResolutionError, match=r"builder_config\.uv_version"):
        builder.build(spec(requirements="uv.lock"))


POETRY = """[project]
name = "app"
version = "1"
requires-python = ">=3.9"
dependencies = ["six"]
[tool.poetry]
packages = [{ include = "app.py" }]
[tool.poetry.dependencies]
other = { path = "../other", develop = true }
parcel = { path = "../parcel-2.0-py3-none-any.whl" }
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"
"""
POETRY_LOCK = """
[[package]]
name = "other"
version = "1"
description = ""
optional = false
python-versions = ">=3.9"
groups = ["main"]
files = []
develop = true

[package.source]
type = "directory"
url = "../other"

[[package]]
name = "parcel"
version = "2.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "parcel-2.0-py3-none-any.whl", hash = "sha256:PARCEL"},
]

[package.source]
type = "file"
url = "../parcel-2.0-py3-none-any.whl"

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

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "CONTENT"
"""  # noqa: E501


def test_poetry_lock_installs_what_it_has_by_path(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """A folder and a wheel."""
    parcel = write_wheel(tmp_path, "parcel", "2.0")
    write_project(tmp_path / "other", "other")
    work = tmp_path / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text(POETRY)
    ask = "from poetry.factory import Factory as F; print(F().create_poetry().locker._content_hash)"
    run = ["uv", "run", "--quiet", "--no-project", "--with", "poetry>=2.1,<3", "python", "-c", ask]
    content = subprocess.run(run, cwd=work, check=True, stdout=subprocess.PIPE, text=True).stdout
    lock = POETRY_LOCK.replace("CONTENT", content.strip())
    digest = hashlib.sha256(parcel.read_bytes()).hexdigest()
    (work / "poetry.lock").write_text(lock.replace("PARCEL", digest))
    image = pulled(builder.build(spec(requirements="work/poetry.lock")))

    assert image.run("python3", "-c", INSTALLED).stdout == "other parcel six\n"
