"""Locks and other indexes: what is resolved is installed, from where it was found."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import MakeSpec, Pulled
from package_index import PackageIndex, make_repository, running_index, write_wheel

from buildkit_spec import BuildkitBuilder, load_specs
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
