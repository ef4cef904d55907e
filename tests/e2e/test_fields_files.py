"""Files come into the image where, and as, the spec says; and only those."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder
from buildkit_spec.errors import SpecValidationError


@pytest.fixture(name="project")
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a few files of every kind."""
    root = tmp_path / "project"
    for name, text in {
        "src/main.py": "print('main')",
        "src/pkg/__init__.py": "",
        "src/pkg/data.txt": "data",
        "src/secret.env": "PASSWORD=1",
        "src/build/out.o": "object",
        "src/.gitignore": "*.env\nbuild/\n",
        "data/deep/table.csv": "1,2",
        "data/run.sh": "#!/bin/sh\necho ran\n",
        "notes.md": "notes",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "data/run.sh").chmod(0o755)
    (root / "data/link").symlink_to("deep/table.csv")
    monkeypatch.chdir(root)
    return root


def below_root(image: object) -> set[str]:
    """Names of the files below /root that the image's base did not have."""
    root: Path = image.path("/root")  # type: ignore[attr-defined]
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_dir() and path.name not in {".bashrc", ".profile"}
    }


def test_copied_files_keep_path_mode_and_links(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """A folder and a file land at the same path below /root; nothing beside them comes along."""
    image = pulled(builder.build(spec(copy=["data", "src/main.py"])))

    assert below_root(image) == {
        "data/deep/table.csv",
        "data/run.sh",
        "data/link",
        "src/main.py",
    }
    assert stat.S_IMODE(image.path("/root/data/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE(image.path("/root/src/main.py").stat().st_mode) == 0o644
    assert str(image.path("/root/data/link").readlink()) == "deep/table.csv"
    assert image.run("/root/data/run.sh").stdout == "ran\n"
    assert image.path("/root/data/run.sh").stat().st_mtime == 315619200


def test_source_root_follows_the_ignore_rules(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """All files of the source root but those that git ignores."""
    image = pulled(builder.build(spec(source_root="src", source_copy_mode="all")))

    assert below_root(image) == {".gitignore", "main.py", "pkg/__init__.py", "pkg/data.txt"}


def test_copy_and_source_root_of_one_name_do_not_mix(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """`copy` puts its folder below /root/src, the source root lands in /root: neither leaks."""
    image = pulled(builder.build(spec(copy=["src/pkg"], source_root="src", source_copy_mode="all")))

    assert below_root(image) == {
        "src/pkg/__init__.py",
        "src/pkg/data.txt",
        ".gitignore",
        "main.py",
        "pkg/__init__.py",
        "pkg/data.txt",
    }


def test_source_that_is_not_to_be_copied_is_not(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """The copy mode ``none`` leaves the source out."""
    image = pulled(builder.build(spec(source_root="src", source_copy_mode="none")))

    assert below_root(image) == set()


def test_scratch_base_holds_the_files_alone(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, project: Path
) -> None:
    """An image may be made of nothing but files."""
    image = pulled(builder.build(spec(base_image="scratch", copy=["data/deep"])))

    assert [path.name for path in image.rootfs.rglob("*") if path.is_file()] == ["table.csv"]
    assert len(image.layers) == 1


def test_missing_files_are_told_together_and_nothing_is_built(
    builder: BuildkitBuilder, spec: MakeSpec, project: Path
) -> None:
    """Every missing file is a problem of its own field."""
    wrong = spec(copy=["nope", "data"], requirements="none.txt", source_root="nowhere")

    with pytest.raises(SpecValidationError) as caught:
        builder.build(wrong)

    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"copy[0]", "requirements", "source_root"}
