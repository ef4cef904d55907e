"""Specs of flytekit, and names that other tools give ours; with the real flytekit: tests/e2e."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from buildkit_spec import ImageSpec
from buildkit_spec.errors import FileChangedError, SpecError, SpecValidationError


@dataclass
class Theirs:
    """A dataclass with fields that are ours too, as flytekit's is."""

    name: str = "theirs"
    python_version: object = None
    packages: object = None
    base_image: object = None
    builder: str = "envd"


def test_from_flytekit_reads_fields_by_name_and_drops_the_builder() -> None:
    """A base that is a spec becomes one of ours."""
    ours = ImageSpec.from_flytekit(Theirs(packages=["a"], base_image=Theirs("under")))
    assert (ours.name, ours.packages, ours.builder) == ("theirs", ("a",), None)
    assert isinstance(ours.base_image, ImageSpec)
    assert ours.base_image.name == "under"


@pytest.mark.parametrize(("number", "version"), [(3.11, "3.11"), (3.9, "3.9"), (3.12, "3.12")])
def test_from_flytekit_takes_a_number_for_its_digits(number: float, version: str) -> None:
    """YAML makes numbers of versions."""
    assert ImageSpec.from_flytekit(Theirs(python_version=number)).python_version == version


def test_from_flytekit_names_the_spec_whose_values_are_wrong() -> None:
    """All problems, under the spec's name."""
    with pytest.raises(SpecValidationError, match="ImageSpec 'theirs': 2 problems"):
        ImageSpec.from_flytekit(Theirs(python_version=3.1, packages="a"))
    with pytest.raises(SpecError, match="not a flytekit ImageSpec: type"):
        ImageSpec.from_flytekit(Theirs)


def test_known_as_gives_id_and_tag_until_something_changes(tmp_path: Path) -> None:
    """A changed file leaves it without a tag, a changed spec loses both."""
    file = tmp_path / "a.py"
    file.write_text("one")
    spec = ImageSpec(source_root=str(tmp_path), base_image="debian:12")
    own = spec.id
    named = spec.known_as("Their-Id", "their_tag", ("a.py",))
    assert (named.id, named.tag, spec.id) == ("Their-Id", "their_tag", own)
    assert named.force_push().id == "Their-Id"
    assert named.replace(env={"A": "b"}).id not in ("Their-Id", own)
    file.write_text("two")
    with pytest.raises(FileChangedError, match="their_tag"):
        _ = named.tag


def test_known_as_takes_exactly_the_files_it_is_given(tmp_path: Path) -> None:
    """Also none at all, where we would take everything."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(name)
    spec = ImageSpec(source_root=str(tmp_path), base_image="debian:12")
    one = spec.known_as("id", "tag", ("b.py",)).source_selection()
    assert one is not None
    assert [file.path for file in one.files()] == ["b.py"]
    assert spec.known_as("id", "tag", ()).source_selection() is None
