"""What is wrong with a layer of Flyte 2's: told with the layer's number, in Flyte's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

flyte = pytest.importorskip("flyte", reason="Flyte 2 is not installed")

from flyte._image import PoetryProject, PythonWheels, UVScript  # noqa: E402 - flyte may be missing

from buildkit_spec.errors import Problem, SpecValidationError  # noqa: E402
from buildkit_spec.plan.image_config import ImageConfig  # noqa: E402
from buildkit_spec.plugins.flyte2_layers import spec_of  # noqa: E402
from buildkit_spec.plugins.flyte2_words import in_flytes_words  # noqa: E402

FLYTES = ImageConfig(
    env={"VIRTUALENV": "/opt/venv", "UV_PYTHON": "/opt/venv/bin/python", "_F_IMG_ID": "x"}
)


def image() -> Any:
    return flyte.Image.from_base("example.org/base:1").clone(
        name="image", registry="example.org/me", python_version=(3, 11), extendable=True
    )


def problem_of(what: Any) -> Problem:
    with pytest.raises(SpecValidationError) as caught:
        spec_of(what, FLYTES)
    (problem,) = caught.value.problems
    return problem


def test_problem_names_its_own_layer() -> None:
    """Not the one that is read when the wrong one's spec is made; the last one's is named too."""
    wrong = image().with_apt_packages("git").with_pip_packages("ok", "not a package!")
    assert problem_of(wrong).field == "layers[1].packages[1]"
    assert problem_of(wrong.with_commands(["true"]).with_apt_packages("jq")).field == (
        "layers[1].packages[1]"
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"index_url": "nowhere"}, "layers[0].index_url"),
        ({"extra_index_urls": ["nowhere"]}, "layers[0].extra_index_urls"),
        ({"extra_args": "--editable x"}, "layers[0].extra_args"),
    ],
)
def test_fields_have_flytes_names(options: dict[str, Any], field: str) -> None:
    """As they are called in the layer."""
    assert problem_of(image().with_pip_packages("six", **options)).field == field


def test_remedies_have_flytes_names() -> None:
    """A login goes into a netrc; Flyte 2 has one place for a secret file."""
    problem = problem_of(image().with_pip_packages("x @ https://me:pw@example.org/x.whl"))
    assert problem.field == "layers[0].packages[0]"
    assert "pip_secret_mounts" not in problem.remedy
    assert "secret_mounts=[flyte.Secret(key='netrc'" in problem.remedy
    assert "extra_args, index_url or" in problem_of(image().with_pip_packages("-U")).remedy
    assert in_flytes_words("check pip_index and pip_secret_mounts") == (
        "check index_url and secret_mounts"
    )


def test_missing_files_name_their_layer(tmp_path: Path) -> None:
    """What Flyte's own reading says of them too."""
    script = image().clone(addl_layer=UVScript(script=tmp_path / "gone.py"))
    assert problem_of(script).field == "layers[0]"
    assert "gone.py" in problem_of(script).message
    file = tmp_path / "requirements.txt"
    file.write_text("-r more.txt\n")
    problem = problem_of(image().with_requirements(file))
    assert problem.field == "layers[0].file"
    assert "more.txt does not exist" in problem.message


def test_dockerignore_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Without it all files would be copied, secrets among them."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "x.py").write_text("")
    one = image().with_source_folder(tmp_path / "src").with_dockerignore(tmp_path / "gone")
    problem = problem_of(one)
    assert problem.field == "layers[1].path"
    assert "gone" in problem.message
    assert "with_dockerignore" in problem.remedy


def test_dockerignore_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Flyte's own reading would pass over it."""
    (tmp_path / "ignore").write_bytes(b"\xff\xfe*.secret")
    problem = problem_of(image().with_dockerignore(tmp_path / "ignore"))
    assert problem.field == "layers[0].path"
    assert "not UTF-8" in problem.message


def test_badly_named_wheel_is_passed_over(tmp_path: Path) -> None:
    """As by every installer; when it is the only one, it is named."""
    (tmp_path / "own.whl").write_bytes(b"")
    one = image().clone(addl_layer=PythonWheels(wheel_dir=tmp_path, package_name="own"))
    problem = problem_of(one)
    assert problem.field == "layers[0].wheel_dir"
    assert "no wheel of own" in problem.message
    assert "own.whl" in problem.message


def test_poetry_argument_without_counterpart_is_refused(tmp_path: Path) -> None:
    """With the argument and its layer."""
    (tmp_path / "pyproject.toml").write_text('[tool.poetry]\nname = "x"\nversion = "1"\n')
    (tmp_path / "poetry.lock").write_text("")
    layer = PoetryProject(
        pyproject=tmp_path / "pyproject.toml",
        poetry_lock=tmp_path / "poetry.lock",
        extra_args="--dry-run",
    )
    problem = problem_of(image().clone(addl_layer=layer))
    assert problem.field == "layers[0].extra_args"
    assert "--dry-run" in problem.message
