"""Packages of this machine that a project or its lock names: which are sent, which refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec.identity import contents

PROJECT = '[project]\nname = "{name}"\nversion = "1"\ndependencies = [{needs}]\n'


@pytest.fixture(autouse=True)
def _projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("app", "app/lib", "other"):
        write(tmp_path / name)


def write(folder: Path, needs: str = "", more: str = "") -> None:
    """Write a project."""
    folder.mkdir(exist_ok=True)
    text = PROJECT.format(name=folder.name, needs=needs) + more
    (folder / "pyproject.toml").write_text(text)


def sent(root: Path, file: str, **options: object) -> dict[str, bool]:
    """Where the packages that are sent stand, and whether they are installed beside a lock."""
    spec = ImageSpec(name="x", base_image="scratch", requirements=file, builder_options=options)
    return {str(one.path.relative_to(root)): one.is_project for one in spec.local_requirements()}


UV_LOCK = """version = 1
[manifest]
members = ["app", "lib"]
[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "six" }]
[package.optional-dependencies]
gpu = [{ name = "lib", extra = ["more"] }]
[package.dev-dependencies]
dev = [{ name = "wheel" }]
[[package]]
name = "lib"
version = "1"
source = { editable = "lib" }
[package.optional-dependencies]
more = [{ name = "other" }, { name = "app" }]
[[package]]
name = "other"
version = "1"
source = { directory = "../other" }
[[package]]
name = "six"
version = "1"
source = { registry = "https://i.test/simple" }
[[package]]
name = "wheel"
version = "1"
source = { path = "../w-1-py3-none-any.whl" }
"""


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({}, set()),
        ({"extras": ["gpu"]}, {"app/lib", "other"}),
        ({"dependency_groups": ["dev"]}, {"w-1-py3-none-any.whl"}),
    ],
)
def test_uv_lock_is_followed_from_the_project(
    tmp_path: Path, options: dict[str, object], places: set[str]
) -> None:
    """What is not wanted is not sent: its files are no part of the tag."""
    (tmp_path / "app/uv.lock").write_text(UV_LOCK)

    assert sent(tmp_path, "app/uv.lock", **options) == dict.fromkeys(places, True)


def test_workspace_without_a_project_is_followed_from_its_members(tmp_path: Path) -> None:
    """What they need of each other is installed."""
    lock = UV_LOCK.replace('virtual = "."', 'editable = "main"').replace(
        '[{ name = "six" }]', '[{ name = "lib" }]'
    )
    (tmp_path / "app/uv.lock").write_text(lock)
    write(tmp_path / "app/main")

    assert sent(tmp_path, "app/uv.lock") == {"app/lib": True}


def test_pylock_says_what_it_has_by_path(tmp_path: Path) -> None:
    """But for the project that it is of."""
    (tmp_path / "app/pylock.toml").write_text(
        'lock-version = "1.0"\n[[packages]]\nname = "app"\ndirectory = { path = "." }\n'
        '[[packages]]\nname = "other"\ndirectory = { path = "../other" }\n'
    )

    assert sent(tmp_path, "app/pylock.toml") == {"other": True}


def test_sources_of_a_project_are_sent(tmp_path: Path) -> None:
    """Paths and members of the workspace; they are resolved with it."""
    more = (
        '[tool.uv.sources]\nother = [{ path = "../other" }]\nlib = { workspace = true }\n'
        'six = { index = "x" }\n[tool.uv.workspace]\nmembers = ["l*"]\n'
    )
    write(tmp_path / "app", '"other", "lib", "six"', more)

    assert sent(tmp_path, "app/pyproject.toml") == {"other": False, "app/lib": False}


def test_path_that_a_local_project_needs_is_refused(tmp_path: Path) -> None:
    """It is not sent, and the resolver would say so in worse words."""
    write(tmp_path / "app", '"other"', '[tool.uv.sources]\nother = { path = "../other" }\n')
    with pytest.raises(SpecValidationError, match="takes other from a path") as caught:
        _ = ImageSpec(name="x", base_image="scratch", packages=["./app"]).tag
    assert "uv.lock" in caught.value.problems[0].remedy

    write(tmp_path / "app", '"six"', '[tool.uv.sources]\nother = { path = "../other" }\n')
    assert ImageSpec(name="x", base_image="scratch", packages=["./app"]).tag


def test_path_of_poetry_is_refused_without_its_lock(tmp_path: Path) -> None:
    """Only poetry knows what it means."""
    write(tmp_path / "app", "", '[tool.poetry.dependencies]\nother = { path = "../other" }\n')
    with pytest.raises(SpecValidationError, match="from a path of poetry's") as caught:
        _ = ImageSpec(name="x", base_image="scratch", requirements="app/pyproject.toml").tag

    assert "poetry.lock" in caught.value.problems[0].remedy


@pytest.mark.parametrize(
    "text", ["package = 3", "[[package]]\npath = 1", "[tool]\nuv = 3 # path", "= # path"]
)
@pytest.mark.parametrize("file", ["uv.lock", "poetry.lock", "pylock.toml", "pyproject.toml"])
def test_garbage_names_nothing(tmp_path: Path, file: str, text: str) -> None:
    """Who reads the file later says what is wrong with it."""
    (tmp_path / "app" / file).write_text(text)

    assert sent(tmp_path, f"app/{file}") == {}


def test_tag_tells_groups_that_an_earlier_release_left_out(tmp_path: Path) -> None:
    """An image without the group ``dev`` is not taken for one with it; other tags stay."""
    (tmp_path / "app/uv.lock").write_text(UV_LOCK.replace('name = "wheel" }]', 'name = "six" }]'))
    spec = ImageSpec(name="x", base_image="scratch", requirements="app/uv.lock")

    assert "groups" not in contents(spec)
    assert "groups" in contents(spec.with_builder_options({"dependency_groups": ["dev"]}))
    write(tmp_path / "app", "", '[tool.uv]\ndefault-groups = ["docs"]\n')
    assert "groups" in contents(spec)
