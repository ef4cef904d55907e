"""Locks and other indexes: what is resolved is installed, from where it was found."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import MakeSpec, Pulled
from package_index import PackageIndex, running_index, write_wheel

from buildkit_spec import BuildkitBuilder, load_specs
from buildkit_spec.errors import ResolutionError, SpecValidationError
from buildkit_spec.values import StatusUpdate

HOST = {"network": "host"}
INSTALLED = (
    "from importlib.metadata import distributions as d;"
    "print(*sorted({one.metadata['Name'].lower() for one in d()}))"
)
PROJECT = """[project]
name = "demo"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["privately", "six==1.17.0"]
[tool.uv.sources]
privately = {{ index = "own" }}
[[tool.uv.index]]
name = "own"
url = "{url}"
explicit = true
"""


@pytest.fixture(name="index")
def _index(tmp_path: Path) -> Iterator[PackageIndex]:
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, "privately", "1.0+cpu")
    with running_index(folder) as index:
        yield index


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("option", ["--extra-index-url {url}", "--find-links {top}"])
def test_index_of_a_requirements_file_is_installed_from(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    index: PackageIndex,
    tmp_path: Path,
    option: str,
) -> None:
    """And the image is that of a spec which names the index itself, byte for byte."""
    line = option.format(url=index.url, top=index.url.removesuffix("simple"))
    (tmp_path / "req.txt").write_text(f"{line}\nprivately\nsix==1.17.0\n")
    built = builder.build(spec(requirements="req.txt", builder_options=HOST))
    (tmp_path / "plain.txt").write_text("privately\nsix==1.17.0\n")
    told = spec(requirements="plain.txt", pip_extra_index_url=[index.url], builder_options=HOST)
    image, other = pulled(built), pulled(builder.build(told))

    assert image.run("python3", "-c", INSTALLED).stdout == "privately six\n"
    assert image.manifest["layers"] == other.manifest["layers"]


def test_project_with_an_index_of_its_own_is_installed_from_it(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, index: PackageIndex, tmp_path: Path
) -> None:
    """From ``pyproject.toml``, from its ``uv.lock``, and from a ``pylock.toml`` of that."""
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(url=index.url))
    subprocess.run(["uv", "lock", "--quiet"], check=True)
    export = ["uv", "export", "--quiet", "--format", "pylock.toml", "--no-emit-project"]
    subprocess.run([*export, "--output-file", "pylock.toml"], check=True, stdout=subprocess.DEVNULL)
    layers = []
    for file in ("pyproject.toml", "uv.lock", "pylock.toml"):
        image = pulled(
            builder.build(spec(name=uuid.uuid4().hex, requirements=file, builder_options=HOST))
        )
        assert image.run("python3", "-c", INSTALLED).stdout == "privately six\n"
        layers.append(image.manifest["layers"])

    assert layers[0] == layers[1] == layers[2]


def test_lock_that_we_wrote_knows_the_index(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, index: PackageIndex, tmp_path: Path
) -> None:
    """It is written for what the spec says, and the spec is built from nothing else."""
    (tmp_path / "req.txt").write_text(f"--extra-index-url {index.url}\nprivately\nsix\n")
    wanted = spec(requirements="req.txt", builder_options=HOST).with_lock(
        tmp_path / "pylock.x.toml"
    )
    text = builder.lock(wanted)
    (tmp_path / "pylock.x.toml").write_text(text)
    image = pulled(builder.build(wanted.locked()))

    assert text.count("index = ") == 1
    assert f'index = "{index.url}"' in text
    assert image.run("python3", "-c", INSTALLED).stdout == "privately six\n"


NEEDLE = "hunter2-variable"


def test_login_in_a_variable_is_nowhere(
    builder: BuildkitBuilder,
    spec: MakeSpec,
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reaches the resolver and the installer, and no vertex, lock, layer or status has it."""
    monkeypatch.setenv("INDEX_LOGIN", f"reader:{NEEDLE}")
    monkeypatch.setenv("INDEX_PASSWORD", NEEDLE)
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, "privately", "1.0")
    wheel = write_wheel(folder, "direct", "1.0")
    repository = make_repository(tmp_path / "gx", folder / "gx.git")
    told: list[StatusUpdate] = []
    with running_index(folder, f"reader:{NEEDLE}") as index:
        top = index.with_login("${INDEX_USER}:${INDEX_PASSWORD}").removesuffix("simple")
        (tmp_path / "req.txt").write_text(
            f"--extra-index-url {top}simple\nprivately\n"
            f"direct @ {top}{wheel.name}\ngx @ git+{top}{repository}@main\n"
        )
        wanted = spec(
            requirements="req.txt",
            apt_packages=["git"],
            builder_options={
                **HOST,
                "step_secrets": {
                    "INDEX_USER": "env:READER",
                    "INDEX_PASSWORD": "env:INDEX_PASSWORD",
                },
            },
        ).with_lock(tmp_path / "pylock.x.toml")
        monkeypatch.setenv("READER", "reader")
        plan = builder.plan(wanted)
        text = builder.lock(wanted)
        image = pulled(builder.build(wanted, on_status=told.append))
        (tmp_path / "pylock.x.toml").write_text(text)
        again = pulled(builder.build(wanted.locked(), on_status=told.append, force=True))

    assert image.run("python3", "-c", INSTALLED).stdout == "direct gx privately\n"
    assert again.run("python3", "-c", INSTALLED).stdout == "direct gx privately\n"
    graph = b"".join(one.state.marshal(platform=one.platform).to_bytes() for one in plan.platforms)
    assert NEEDLE.encode() not in graph
    assert b"${INDEX_PASSWORD}" in graph
    assert NEEDLE not in repr((plan, told, wanted)) + text
    assert not image.contains(NEEDLE.encode())
    assert not again.contains(NEEDLE.encode())


def make_repository(folder: Path, bare: Path) -> str:
    """Make a repository of a project called ``gx``, to be served as plain files."""
    folder.mkdir()
    project = '[project]\nname = "gx"\nversion = "1"\n[tool.setuptools]\npy-modules = []\n'
    (folder / "pyproject.toml").write_text(project)
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message=first"],
        ["clone", "--quiet", "--bare", ".", str(bare)],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    return bare.name


def test_group_called_dev_is_installed_and_default_groups_are_not(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, tmp_path: Path
) -> None:
    """Nobody asked for those of the project; a uv that only people must have does not count."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["six"]\n[dependency-groups]\ndev = ["toolz"]\ndocs = ["tabulate"]\n'
        '[tool.uv]\ndefault-groups = ["docs"]\n'
    )
    subprocess.run(["uv", "lock", "--quiet"], check=True)
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write('required-version = "==0.5.1"\n')
    wanted = spec(requirements="uv.lock", builder_options={"dependency_groups": ["dev"]})
    image = pulled(builder.build(wanted))

    assert image.run("python3", "-c", INSTALLED).stdout == "six toolz\n"


def test_lock_and_build_from_the_command_line(
    spec: MakeSpec, pulled: Pulled, tmp_path: Path, builder: BuildkitBuilder, index: PackageIndex
) -> None:
    """`lock` writes beside the spec's file, `build --locked` installs that, and refuses less."""
    made = spec()
    text = (
        f"name: image\nregistry: {made.registry}\nbase_image: {made.base_image}\n"
        "packages: [privately, six]\nbuilder_options: {network: host}\n"
        f"pip_extra_index_url: ['{index.url}']\n"
    )
    (tmp_path / "image.yaml").write_text(text)
    assert "buildkit-spec lock" in run("build", "image.yaml", "--locked", code=2)
    run("lock", "image.yaml")
    run("lock", "image.yaml", "--check")
    write_wheel(tmp_path / "index", "privately", "2.0")
    run("build", "image.yaml", "--locked")
    ((_, loaded),) = load_specs("image.yaml")
    image = pulled(builder.build(loaded.locked()))
    version = "import privately; print(privately.WORD)"
    assert image.run("python3", "-c", version).stdout == "1.0+cpu\n"

    (tmp_path / "image.yaml").write_text(text.replace("six", "six, toolz"))
    assert "have changed since" in run("lock", "image.yaml", "--check", code=2)
    assert "have changed since" in run("build", "image.yaml", "--locked", code=2)


def run(*arguments: str, code: int = 0) -> str:
    """Run the command, and return what it said."""
    done = subprocess.run(
        ["python", "-m", "buildkit_spec", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


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
