"""Requirement files with what they include."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import ImageSpec, RequirementKind, requirement_files


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def closure(monkeypatch, root: Path, file: str):
    monkeypatch.chdir(root)
    return requirement_files(ImageSpec(requirements=file))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("requirements.txt", RequirementKind.TEXT),
        ("a/uv.lock", RequirementKind.UV_LOCK),
        ("a\\poetry.lock", RequirementKind.POETRY_LOCK),
        ("pylock.toml", RequirementKind.PYLOCK),
        ("pylock.dev.toml", RequirementKind.PYLOCK),
        ("pyproject.toml", RequirementKind.PYPROJECT),
        ("my-uv.lock", RequirementKind.TEXT),
        ("requirements.in", RequirementKind.TEXT),
    ],
)
def test_kind_is_told_by_name(path, kind):
    """The file's name tells how it is read."""
    assert RequirementKind.of(path) is kind


def test_closure_follows_includes(tmp_path, monkeypatch):
    """Every way to include a file is followed, each file once, from where the including one is."""
    root = write(
        tmp_path,
        app__requirements_txt="-r base.txt\n--constraint=../constraints.txt\n"
        "-c ../constraints.txt # x\nnumpy\n",
        app__base_txt="-rdeep/more.txt\n--requirement deep/more.txt\n",
        app__deep__more_txt="-r ../base.txt\n--index-url https://h/simple\n-e git+https://h/x\n",
        constraints_txt="numpy<3 \\\n  --hash=sha256:0\n-r https://example.com/x.txt\n",
    )

    files = closure(monkeypatch, root, "app/requirements.txt")

    assert [(file.path, file.is_root) for file in files] == [
        ("app/requirements.txt", True),
        ("app/base.txt", False),
        ("app/deep/more.txt", False),
        ("constraints.txt", False),
    ]
    assert files[3].content == (root / "constraints.txt").read_bytes()


def test_closure_of_one_file_has_its_name(tmp_path, monkeypatch):
    """A file that includes nothing stands alone, wherever it is; no file has no closure."""
    root = write(tmp_path, deep__er__x_txt="numpy\n")

    (file,) = closure(monkeypatch, root, "deep/er/x.txt")

    assert file.path == "x.txt"
    assert requirement_files(ImageSpec()) == ()


def test_closure_of_a_lock_has_its_project(tmp_path, monkeypatch):
    """The project a lock was made for belongs to it; its lines are not read as includes."""
    (tmp_path / "uv.lock").write_text("-r nope.txt\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")

    files = closure(monkeypatch, tmp_path, "uv.lock")

    assert [(file.path, file.is_root) for file in files] == [
        ("uv.lock", True),
        ("pyproject.toml", False),
    ]


def test_folder_of_wheels_is_refused(tmp_path, monkeypatch):
    """It is not sent; a URL and a path in the base image can be found."""
    root = write(
        tmp_path,
        good_txt="--find-links https://h/w\n-f /opt/wheels\nsix\n",
        bad_txt="--find-links=./wheels\nsix\n",
    )
    assert closure(monkeypatch, root, "good.txt")
    with pytest.raises(SpecValidationError, match=r"bad\.txt:1 names a folder"):
        closure(monkeypatch, root, "bad.txt")


def test_login_in_a_project_or_its_lock_is_refused(tmp_path, monkeypatch):
    """Both are part of the build's graph."""
    root = write(tmp_path, bad_txt="")
    (root / "pyproject.toml").write_text('[[tool.uv.index]]\nurl = "https://me:hunter2@h/simple"')
    with pytest.raises(SpecValidationError, match=r"pyproject\.toml:2 holds a login") as caught:
        closure(monkeypatch, root, "pyproject.toml")

    assert "hunter2" not in str(caught.value)


def test_problems_name_file_and_line(tmp_path, monkeypatch):
    """Missing includes, options and logins are told at once, with file and line."""
    root = write(
        tmp_path,
        r_txt="# comment\n\n-r nope.txt\n-r base.txt\n",
        base_txt="numpy \\\n  ; python_version > '3'\n-e .\n./wheel.whl\n"
        "--index-url https://me:hunter2@h/simple\npkg @ file:///x\n-c /abs/nope.txt\n",
    )

    with pytest.raises(SpecValidationError) as caught:
        closure(monkeypatch, root, "r.txt")

    said = "\n".join(problem.message for problem in caught.value.problems)
    assert "r.txt:3 includes it" in said
    assert "base.txt:5 holds a login" in said
    assert "base.txt:7 includes it" in said
    assert {problem.field for problem in caught.value.problems} == {"requirements"}
    assert "hunter2" not in str(caught.value)


def test_lock_without_project_is_a_problem(tmp_path, monkeypatch):
    """A lock alone cannot be checked against its project."""
    (tmp_path / "poetry.lock").write_text("")

    with pytest.raises(SpecValidationError, match=r"poetry\.lock needs it beside it"):
        closure(monkeypatch, tmp_path, "poetry.lock")


def test_folder_is_no_requirements_file(tmp_path, monkeypatch):
    """A folder where a file should be is a problem."""
    (tmp_path / "r.txt").mkdir()

    with pytest.raises(SpecValidationError, match="requirements"):
        closure(monkeypatch, tmp_path, "r.txt")
