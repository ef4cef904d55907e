"""What is built again when something changes: as little as can be."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, BuildResult, ImageSpec
from buildkit_spec.errors import FileChangedError


def built(result: BuildResult) -> list[str]:
    """Names of the steps that ran, their stage in brackets."""
    return [step.name.partition("]")[0] + "]" for step in result.steps if not step.is_cached]


@pytest.fixture(name="wanted")
def _wanted(spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSpec:
    """A spec with a stage of every kind."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/main.py", "src/other.py", "data/table.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return spec(
        packages=["six", "tabulate"],
        apt_packages=["tree"],
        copy=["data"],
        source_root="src",
        source_copy_mode="all",
        env={"A": "1", "B": "2"},
    )


def test_image_that_is_there_is_not_built_and_no_daemon_is_asked(
    builder: BuildkitBuilder, wanted: ImageSpec
) -> None:
    """The second build is one question to the registry: an address that nobody has does no harm."""
    first = builder.build(wanted)
    second = BuildkitBuilder("unix:///nowhere.sock").build(wanted)

    assert (first.was_built, second.was_built) == (True, False)
    assert second.reference == first.reference


def test_forced_build_finds_every_step_in_the_cache(
    builder: BuildkitBuilder, wanted: ImageSpec
) -> None:
    """Nothing changed, so nothing runs, and the image is the same."""
    first = builder.build(wanted)
    second = builder.build(wanted, force=True)

    assert second.was_built
    assert second.steps
    assert built(second) == []
    assert second.digest == first.digest


def test_edited_source_file_builds_the_copy_alone(
    builder: BuildkitBuilder, wanted: ImageSpec, tmp_path: Path
) -> None:
    """Packages, files and all before the source come from the cache."""
    builder.build(wanted)
    (tmp_path / "src/main.py").write_text(f"# edited {uuid.uuid4()}\n")

    assert built(builder.build(wanted)) == ["[source]"]


def test_edit_that_leaves_size_and_time_is_built(
    builder: BuildkitBuilder, wanted: ImageSpec, tmp_path: Path, pulled: Pulled
) -> None:
    """Checkouts may give every file one time: the daemon must not take the old contents for new."""
    file = tmp_path / "src/main.py"
    file.write_text(f"# {uuid.uuid4()}\n")
    os.utime(file, (1, 1))
    builder.build(wanted)
    edited = f"# {uuid.uuid4()}\n"
    file.write_text(edited)
    os.utime(file, (1, 1))

    assert pulled(builder.build(wanted)).path("/root/main.py").read_text() == edited


def test_changed_environment_entrypoint_and_labels_build_nothing(
    builder: BuildkitBuilder, wanted: ImageSpec
) -> None:
    """They stand in the image config only."""
    builder.build(wanted)
    other = wanted.with_env({"A": "other"}).with_builder_options({"labels": {"x": "y"}})
    result = builder.build(other.replace(entrypoint=["true"]))

    assert result.was_built
    assert built(result) == []


def test_fresh_checkout_and_other_order_are_the_same_image(
    builder: BuildkitBuilder, wanted: ImageSpec, tmp_path: Path
) -> None:
    """Times and umask of files, order of packages and of environment: the tag stays."""
    first = builder.build(wanted)
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(path.stat().st_mode ^ 0o022)
    again = wanted.replace(packages=["tabulate", "six"], env={"B": "2", "A": "1"})

    assert not builder.build(again).was_built
    assert built(builder.build(again, force=True)) == []
    assert builder.build(again, force=True).digest == first.digest


def test_force_push_of_the_spec_builds_again(builder: BuildkitBuilder, wanted: ImageSpec) -> None:
    """The wish survives further changes of the spec."""
    builder.build(wanted.with_env({"C": "3"}))

    assert builder.build(wanted.force_push().with_env({"C": "3"})).was_built


def test_no_cache_runs_every_step(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """What is asked to be built anew is."""
    wanted = spec(commands=["date +%N > /now"])
    first = builder.build(wanted)
    anew = wanted.with_builder_options({"no_cache": True})
    second = builder.build(anew, force=True)

    assert "[commands[0]" in "".join(built(second))
    assert second.digest != first.digest


def test_file_that_changes_during_the_build_pushes_nothing(
    builder: BuildkitBuilder, wanted: ImageSpec, tmp_path: Path
) -> None:
    """The image would not be what its tag says, so there is none; the next build is right."""
    edited = []

    def edit(_: object) -> None:
        if not edited:
            edited.append((tmp_path / "src/other.py").write_text("changed meanwhile\n"))

    slow = wanted.with_commands(["sleep 1"])
    with pytest.raises(FileChangedError):
        builder.build(slow, on_status=edit)

    assert not builder.exists(slow)
    assert builder.build(slow).was_built
