"""The process' environment, defaults, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from buildkit_spec.errors import SpecError, SpecValidationError
from buildkit_spec.spec import ImageSpec, flag
from buildkit_spec.spec.defaults import DEFAULT_PYTHON, default_base_image, default_image
from buildkit_spec.spec.environment import is_inside
from buildkit_spec.values import Platform


@pytest.mark.parametrize("text", ["1", "true", "True", "TRUE", "yes", "on", " on "])
def test_flag_is_true(text):
    """The usual words for true are true."""
    assert flag("X", {"X": text})


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "off", "", " "])
def test_flag_is_false(text):
    """The usual words for false are false, and so is the empty text, unlike in flytekit."""
    assert not flag("X", {"X": text}, default=True)


def test_flag_default_and_error():
    """An unset switch has its default; what is neither is an error that says how to set it."""
    assert flag("X", {}, default=True)
    assert not flag("X", {})
    with pytest.raises(SpecError, match="neither true nor false: 'maybe'") as caught:
        flag("X", {"X": "maybe"})
    assert caught.value.remedy == "export X=true"


def test_force_push(monkeypatch):
    """A spec is forced by `force_push` or by the environment, and not by an empty variable."""
    monkeypatch.delenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", raising=False)
    assert not ImageSpec().is_forced
    assert ImageSpec().force_push().is_forced
    monkeypatch.setenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", "")
    assert not ImageSpec().is_forced
    monkeypatch.setenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", "True")
    assert ImageSpec().is_forced


def test_is_inside():
    """In an image of a spec it is this one or not; in a task without one no; elsewhere yes."""
    assert is_inside("a", {"_F_IMG_ID": "a"})
    assert not is_inside("a", {"_F_IMG_ID": "b"})
    assert not is_inside("a", {"FLYTE_INTERNAL_EXECUTION_ID": "x"})
    assert is_inside("a", {"_F_IMG_ID": "a", "FLYTE_INTERNAL_EXECUTION_ID": "x"})
    assert is_inside("a", {})
    assert is_inside("a", {"_F_IMG_ID": ""})


@pytest.mark.parametrize(
    ("python", "flytekit", "tag"),
    [
        ("3.8", "1.6.0", "py3.8-1.6.0"),
        ("3.11.4", "v1.16.3", "py3.11-1.16.3"),
        ("3.10", "", "py3.10-latest"),
        ("3.12", "0.0.0+develop", "py3.12-latest"),
        ("3.12", "1.17.0.dev3", "py3.12-latest"),
        ("", "1.16.3", f"py{DEFAULT_PYTHON}-1.16.3"),
    ],
)
def test_default_image(python, flytekit, tag):
    """Python and flytekit version choose Flyte's image; without a Python it is always the same."""
    assert default_image(python, flytekit) == f"cr.flyte.org/flyteorg/flytekit:{tag}"


def test_default_image_that_does_not_exist():
    """A Python Flyte has no image for is a problem that names another one."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(python_version="3.14").default_base_image({})

    (problem,) = caught.value.problems
    assert problem.field == "python_version"
    assert problem.remedy == "set base_image: python:3.14-slim"
    assert ImageSpec(python_version="3.14").default_base_image({"FLYTE_INTERNAL_IMAGE": "x"}) == "x"


def test_default_image_takes_the_installed_flytekit():
    """The flytekit that is installed here, if any, chooses the version."""
    try:
        expected = version("flytekit")
    except PackageNotFoundError:
        expected = "latest"

    assert default_base_image("3.11", {}).endswith(f":py3.11-{expected}")


def test_platforms():
    """A spec is for linux/amd64 unless it says otherwise or serves an arm64 machine itself."""
    assert ImageSpec().platforms("aarch64") == (Platform("linux", "amd64"),)
    assert ImageSpec(registry="localhost:30000").platforms("arm64") == (Platform("linux", "arm64"),)
    assert ImageSpec(registry="localhost:30000").platforms("x86_64") == (
        Platform("linux", "amd64"),
    )
    assert ImageSpec(platform="linux/arm64,linux/amd64").platforms() == (
        Platform("linux", "arm64"),
        Platform("linux", "amd64"),
    )
    assert ImageSpec().platforms()


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules in a fresh interpreter after *code*."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split())


def test_environment_needs_nothing_heavy():
    """Asking the environment loads neither pydantic nor YAML."""
    loaded = loaded_by("from buildkit_spec.spec.environment import is_inside, flag")

    assert not loaded & {
        "pydantic",
        "pydantic_core",
        "yaml",
        "packaging",
        "grpc",
        "dataclass_wizard",
    }


def test_making_a_spec_needs_no_yaml_and_no_network():
    """A spec made in Python loads neither a YAML library nor any of the other rooms."""
    loaded = loaded_by(
        "from buildkit_spec.spec import ImageSpec; ImageSpec(apt_packages=['git']).id"
    )

    assert not loaded & {
        "yaml",
        "packaging",
        "grpc",
        "httpx",
        "click",
        "rich",
        "pathspec",
        "asyncio",
    }
    rooms = {name.split(".")[1] for name in loaded if name.startswith("buildkit_spec.")}
    assert rooms <= {"spec", "values", "errors", "_version", "_lazy"}


def test_room_itself_uses_no_clock_no_chance_no_process():
    """No file of this room imports what a pure room must not."""
    forbidden = {"grpc", "socket", "subprocess", "threading", "time", "random", "uuid", "datetime"}
    folder = Path(__file__).parents[3] / "buildkit_spec" / "spec"
    for file in folder.glob("*.py"):
        words = [line.split() for line in file.read_text().splitlines()]
        imported = {
            line[1].partition(".")[0] for line in words if line[:1] in (["import"], ["from"])
        }
        assert not imported & forbidden, file
