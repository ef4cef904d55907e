"""The lock beside a spec: what makes it stale, what it refuses, and that it is read back whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.errors import SpecValidationError
from buildkit_spec.plan import lock_file, refuse_unlocked
from buildkit_spec.plan.lock import read_lock
from buildkit_spec.plan.pinned import from_pylock
from buildkit_spec.spec import RequirementFile
from buildkit_spec.values import Platform

A, B = "a" * 64, "b" * 64
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
WHEEL = f'wheels = [{{ url = "https://i.test/x.whl", hashes = {{ sha256 = "{A}" }} }}]'
SDIST = f'sdist = {{ url = "https://i.test/x.tar.gz", hashes = {{ sha256 = "{B}" }} }}'
PROJECT = '[project]\nname = "lib"\nversion = "1"\ndependencies = ["six"]\n'

Make = Callable[..., ImageSpec]


@pytest.fixture(name="make")
def _make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    for folder in (tmp_path, tmp_path / "lib"):
        (folder / "pyproject.toml").write_text(PROJECT)
    return lambda **fields: ImageSpec(**{"name": "x", "base_image": "scratch", **fields})


def written(answers: Mapping[Platform, str], **more: object) -> str:
    """The lock file of answers of the resolver, a package for each platform."""
    locks = {}
    for platform, entry in answers.items():
        text = f'lock-version = "1.0"\n[[packages]]\n{entry}\n'
        lock = read_lock(json.dumps({"lock": text, "sizes": {}, **more}).encode())
        assert lock is not None
        locks[platform] = lock
    return lock_file.write(ImageSpec(name="x", packages=["x"]), locks)


def read_back(text: str) -> str:
    """The pinned lines of a lock file."""
    return from_pylock(RequirementFile("pylock.toml", text.encode())).file.content.decode()


@pytest.mark.parametrize(
    "options",
    [
        {"extras": ["gpu"]},
        {"dependency_groups": ["dev"]},
        {"cuda_from": "apt"},
        {"cuda_libraries": ["cudart"]},
    ],
)
def test_lock_depends_on_what_the_options_ask_for(make: Make, options: dict[str, object]) -> None:
    """They change what is resolved."""
    spec = make(requirements="pyproject.toml")

    assert lock_file.inputs(spec) != lock_file.inputs(spec.with_builder_options(options))


def test_lock_depends_on_a_python_of_the_system(make: Make) -> None:
    """Of the system's packages only those count that may bring an interpreter or its packages."""
    spec = make(packages=["six"])

    assert lock_file.inputs(spec) == lock_file.inputs(spec.with_apt_packages("tree"))
    assert lock_file.inputs(spec) != lock_file.inputs(spec.with_apt_packages("python3-numpy"))


def test_lock_depends_on_what_a_local_project_needs(make: Make, tmp_path: Path) -> None:
    """And not on its code, unless that may say what it needs."""
    before = lock_file.inputs(make(packages=["./lib"]))
    (tmp_path / "lib/code.py").write_text("edited = True\n")
    assert lock_file.inputs(make(packages=["./lib"])) == before

    (tmp_path / "lib/pyproject.toml").write_text(PROJECT.replace('"six"', '"six", "toolz"'))
    static = lock_file.inputs(make(packages=["./lib"]))
    assert static != before

    dynamic = PROJECT.replace("dependencies = ", "dynamic = ").replace("six", "dependencies")
    (tmp_path / "lib/pyproject.toml").write_text(dynamic)
    first = lock_file.inputs(make(packages=["./lib"]))
    (tmp_path / "lib/code.py").write_text("edited = 'again'\n")
    assert lock_file.inputs(make(packages=["./lib"])) != first


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"packages": ["six"]}, "packages"),
        ({"cuda": "12.4"}, "cuda"),
        ({"conda_packages": ["numpy"]}, "conda_packages"),
        ({"base_image": ImageSpec(name="b", packages=["six"])}, "base_image.packages"),
    ],
)
def test_locked_refuses_all_that_would_be_resolved(
    make: Make, fields: dict[str, object], field: str
) -> None:
    """With what to do."""
    refuse_unlocked(make(**fields))
    with pytest.raises(SpecValidationError) as caught:
        refuse_unlocked(make(**fields).locked())

    (problem,) = caught.value.problems
    assert (problem.field, bool(problem.remedy)) == (field, True)


@pytest.mark.parametrize(
    ("lines", "is_locked"),
    [
        ([f"six==1 --hash=sha256:{A}"], True),
        (["-r other.txt"], True),
        ([f"six==1 --hash=sha256:{A}", "toolz"], False),
        ([f"six==1 --hash=sha256:{A}", "-e ./lib"], False),
        ([f"six --hash=sha256:{A}"], False),
    ],
)
def test_requirements_are_a_lock_when_every_line_is(
    make: Make, tmp_path: Path, lines: list[str], is_locked: bool
) -> None:
    """What is included counts too."""
    (tmp_path / "req.txt").write_text("\n".join(lines))
    (tmp_path / "other.txt").write_text(f"six==1 \\\n  --hash=sha256:{A}\n")

    assert (lock_file.problems(make(requirements="req.txt")) == []) == is_locked


@pytest.mark.parametrize("order", [(AMD64, ARM64), (ARM64, AMD64)])
def test_lock_has_what_any_platform_needs(order: tuple[Platform, Platform]) -> None:
    """A wheel for one and the source for another, whichever is asked first."""
    entries = {AMD64: WHEEL, ARM64: SDIST}
    text = written({one: f'name = "x"\nversion = "1"\n{entries[one]}' for one in order})

    assert read_back(text) == f"x==1 --hash=sha256:{A} --hash=sha256:{B}\n"


def test_lock_of_a_local_wheel_is_read_back() -> None:
    """The wheel itself is sent with the build, so no line is of it."""
    archive = f'{{ path = "../x.whl", hashes = {{ sha256 = "{A}" }} }}'
    entry = f'name = "x"\nversion = "1"\narchive = {archive}'

    assert read_back(written({AMD64: entry})) == ""


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ('path = "/srv/x.git"', "git+file:///srv/x.git"),
        ('url = "ssh://git@g.test/x.git"', "git+ssh://git@g.test/x.git"),
        ('url = "https://u:secret@g.test/x.git"', "git+https://g.test/x.git"),
    ],
)
def test_lock_of_a_repository_is_read_back(where: str, source: str) -> None:
    """With the user of ssh, and with no password."""
    entry = f'name = "x"\nvcs = {{ type = "git", {where}, commit-id = "0f" }}'

    assert read_back(written({AMD64: entry})) == f"x @ {source}@0f\n"


def test_lock_names_the_index_of_what_is_from_another() -> None:
    """Installing would not find it; the usual indexes are those of whoever builds."""
    entry = f'name = "x"\nversion = "1"\n{WHEEL}'

    assert 'index = "https://i.test"' in written({AMD64: entry}, indexes={"x": "https://i.test"})
    assert "index" not in written({AMD64: entry})
