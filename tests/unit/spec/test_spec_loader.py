"""Specs from files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from buildkit_spec.errors import SpecError, SpecSyntaxError, SpecValidationError
from buildkit_spec.spec import ImageSpec, load_specs

HEAD = "from buildkit_spec.spec import ImageSpec\n"


@pytest.fixture(name="write")
def _write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_yaml_file_is_one_spec(write):
    """A YAML or JSON file is one spec, named after the file as it was written."""
    write("a/image.yaml", "name: x\n")
    write("image.json", '{"name": "y", "env": {"A": "b"}}')

    assert load_specs("a/image.yaml") == [("a/image.yaml", ImageSpec.from_yaml("a/image.yaml"))]
    ((name, spec),) = load_specs(Path("image.json"))
    assert (name, spec.name, spec.env) == ("image.json", "y", {"A": "b"})


def test_python_file_gives_every_spec(write):
    """Every spec at module level is found once, in the file's order; others are not."""
    write(
        "pipeline.py",
        HEAD + "one = ImageSpec(name='one')\ntwo = one.with_packages('numpy')\nalias = one\n"
        "hidden = [ImageSpec()]\n_private = ImageSpec(name='three')\nname = 'x'\n"
        "if __name__ == '__main__': raise SystemExit(1)\n",
    )

    found = load_specs("pipeline.py")

    assert [name for name, _ in found] == [
        "pipeline.py:one",
        "pipeline.py:two",
        "pipeline.py:_private",
    ]
    assert found[1][1].packages == ("numpy",)


def test_one_spec_of_a_python_file(write):
    """``file.py:name`` is one spec; a name that is not there says which are."""
    write("pipeline.py", HEAD + "one = ImageSpec(name='one')\ntwo = ImageSpec(name='two')\n")

    assert [(name, spec.name) for name, spec in load_specs("pipeline.py:two")] == [
        ("pipeline.py:two", "two")
    ]
    with pytest.raises(SpecError, match="one of: one, two"):
        load_specs("pipeline.py:three")


def test_python_file_sees_its_folder_and_nothing_stays(write):
    """Modules beside a file are found while it runs; the next file gets its own."""
    for folder in "ab":
        write(f"{folder}/loader_helper.py", f"NAME = '{folder}'\n")
        write(
            f"{folder}/p.py",
            HEAD + "import loader_helper\nx = ImageSpec(name=loader_helper.NAME)\n",
        )
    before, path = set(sys.modules), list(sys.path)

    specs = [load_specs(f"{folder}/p.py")[0][1] for folder in "ab"]

    assert [spec.name for spec in specs] == ["a", "b"]
    assert sys.path == path
    assert not [
        name for name in set(sys.modules) - before if "helper" in name or "_buildkit_" in name
    ]


def test_python_file_copies_what_it_loaded(write):
    """``auto`` takes the file and the modules it loaded, though they are forgotten afterwards."""
    write("app/loader_part.py", "")
    write("app/loader_other.py", "")
    write("app/data.csv", "")
    write(
        "app/p.py",
        HEAD
        + "import loader_part\nbase = ImageSpec(source_root='app')\n"
        + "x = ImageSpec(base_image=base)\n",
    )

    found = dict(load_specs("app/p.py"))

    for spec in (found["app/p.py:base"], found["app/p.py:x"].base_image):
        selection = spec.source_selection()
        assert [file.path for file in selection.files()] == ["loader_part.py", "p.py"]


def test_python_paths_start_from_the_current_directory(write, tmp_path, monkeypatch):
    """Relative paths of a Python file start where the command runs, as in flytekit."""
    write("requirements.txt", "numpy\n")
    write("sub/p.py", HEAD + "x = ImageSpec(requirements='requirements.txt')\n")

    ((_, spec),) = load_specs("sub/p.py")

    assert spec.root == tmp_path
    assert spec.tag
    monkeypatch.chdir("/")
    assert spec.tag


def test_python_problems_have_the_file_and_line(write):
    """A wrong spec in a Python file says in which line it is made."""
    write("p.py", HEAD + "\n\nx = ImageSpec(\n    packages='numpy',\n    nam='x',\n)\n")

    with pytest.raises(SpecValidationError) as caught:
        load_specs("p.py")

    assert {problem.line for problem in caught.value.problems} <= {4, 5, 6, 7}
    assert "p.py:4:1: packages:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\n1/0\n", r"p\.py:2: ZeroDivisionError: division by zero"),
        ("import no_such_module_x.y\n", r"p\.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", r"p\.py:2: SystemExit: 3"),
        ("def f():\n  raise RuntimeError\nf()\n", r"p\.py:2: RuntimeError"),
        ("class E(BaseException): pass\n", "holds no ImageSpec"),
        ("x = 5\n", "holds no ImageSpec"),
        ("", "holds no ImageSpec"),
    ],
)
def test_python_file_that_fails_says_where(write, text, message):
    """Whatever a Python file raises is a spec error with file and line."""
    write("p.py", text)

    with pytest.raises(SpecError, match=message) as caught:
        load_specs("p.py")
    assert caught.value.source == "p.py"


def test_python_syntax_error_says_where(write):
    """A file that is no Python is a syntax error with line and column."""
    write("p.py", "x = 1\ny = (\n")

    with pytest.raises(SpecSyntaxError, match="not Python") as caught:
        load_specs("p.py")
    assert (caught.value.source, caught.value.line) == ("p.py", 2)


def test_python_file_that_is_no_text(write, tmp_path):
    """Bytes that are no source are a spec error."""
    (tmp_path / "p.py").write_bytes(b"\0\xff")

    with pytest.raises(SpecError):
        load_specs("p.py")
    (tmp_path / "p.py").write_bytes(b"x = 1\0")
    with pytest.raises(SpecError):
        load_specs("p.py")


def test_foreign_specs_say_what_to_import(write):
    """Specs of another library are not ours, and the error says so."""
    write("p.py", "class ImageSpec: pass\nImageSpec.__module__ = 'flytekit.x'\nx = ImageSpec()\n")

    with pytest.raises(SpecError, match="only of flytekit") as caught:
        load_specs("p.py")
    assert caught.value.remedy == "from buildkit_spec import ImageSpec"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nope.yaml", "cannot read nope.yaml"),
        ("nope.py", "cannot read nope.py"),
        ("nope.py:x", "cannot read nope.py"),
        ("Dockerfile", "neither a YAML nor a Python file"),
        (".", "neither a YAML nor a Python file"),
        ("", "neither a YAML nor a Python file"),
    ],
)
def test_what_is_no_spec_file_says_so(write, path, message):
    """Files that are missing or of another kind are spec errors."""
    with pytest.raises(SpecError, match=message):
        load_specs(path)


def test_keyboard_interrupt_passes(write):
    """Ctrl-C while a file runs is no problem of the file."""
    write("p.py", "raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        load_specs("p.py")
