"""Layers of Flyte 2's images as specs: which of them share one, and what each says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

flyte = pytest.importorskip("flyte", reason="Flyte 2 is not installed")

from buildkit_spec import ImageSpec  # noqa: E402 - flyte may be missing
from buildkit_spec.errors import SpecValidationError  # noqa: E402
from buildkit_spec.plan.image_config import ImageConfig  # noqa: E402
from buildkit_spec.plugins.flyte2_layers import base_of, expanded, spec_of  # noqa: E402

DEBIAN = ImageConfig(env={"PATH": "/usr/bin", "LANG": "C"}, workdir="/srv", user="somebody")
FLYTES = ImageConfig(
    env={
        "PATH": "/opt/venv/bin:/usr/bin",
        "VIRTUALENV": "/opt/venv",
        "UV_PYTHON": "/opt/venv/bin/python",
        "_F_IMG_ID": "released",
    },
    workdir="/home/flyte",
)


def image() -> Any:
    return flyte.Image.from_base("example.org/base:1").clone(
        name="image", registry="example.org/me", python_version=(3, 11), extendable=True
    )


def chain(made: ImageSpec) -> list[ImageSpec]:
    """All specs, the innermost first."""
    specs = [made]
    while isinstance(base := specs[0].base_image, ImageSpec):
        specs.insert(0, base)
    return specs


def specs_of(what: Any, base: ImageConfig = FLYTES) -> list[ImageSpec]:
    return chain(spec_of(what, base))


def test_first_spec_brings_uv_and_the_virtual_environment() -> None:
    """As the images of Flyte's own builder have them, with the wanted Python."""
    first, last = specs_of(image(), DEBIAN)
    assert first.base_image == "example.org/base:1"
    assert first.builder_options.uv_path == "/usr/bin/uv"
    assert first.packages is None
    assert first.python_version == "3.11"
    assert "uv venv" in (first.commands or ("",))[0]
    assert (last.env or {})["PATH"].startswith("/opt/venv/bin:/usr/bin:")


def test_image_of_flytes_own_is_built_on_as_it_is() -> None:
    """It has the environment already."""
    (only,) = specs_of(image())
    assert only.base_image == "example.org/base:1"
    assert dict(only.env or {}) == {k: v for k, v in FLYTES.env.items() if k != "_F_IMG_ID"}
    assert only.builder_options.image_id == image().uri


def test_debian_and_python_packages_share_a_spec() -> None:
    """Neither needs the other, in either order: they are built beside each other."""
    for one in (
        image().with_apt_packages("git").with_pip_packages("six"),
        image().with_pip_packages("six").with_apt_packages("git"),
    ):
        both, _ = specs_of(one)
        assert (both.apt_packages, both.packages) == (("git",), ("six",))
        assert both.python_exec == "/opt/venv/bin/python"


def test_packages_after_packages_are_resolved_on_what_is_there() -> None:
    """Two layers are two resolutions, as they are in a Dockerfile."""
    specs = specs_of(image().with_pip_packages("six==1.16.0").with_pip_packages("six"))
    assert [spec.packages for spec in specs] == [("six==1.16.0",), ("six",), None]


def test_packages_after_a_command_come_after_it() -> None:
    """A command may bring what they need; commands after one another share a spec."""
    one = image().with_commands(["a"]).with_commands(["b", "c"]).with_apt_packages("git")
    specs = specs_of(one)
    assert [(spec.commands, spec.apt_packages) for spec in specs] == [
        (("a", "b", "c"), None),
        (None, ("git",)),
        (None, None),
    ]


def test_commands_run_where_workdir_says_at_that_moment() -> None:
    """Relative ones go on from the one before."""
    one = (
        image()
        .with_commands(["a"])
        .with_workdir("sub")
        .with_commands(["b"])
        .with_workdir("/srv")
        .with_commands(["c"])
    )
    specs = specs_of(one)
    places = [spec.builder_options.run_in for spec in specs[:3]]
    assert places == ["/home/flyte", "/home/flyte/sub", "/srv"]
    assert specs[-1].builder_options.workdir == "/srv"


def test_variables_are_seen_by_later_steps_only() -> None:
    """And all of them are in the image."""
    one = image().with_pip_packages("six").with_env_vars({"A": "1", "B": "$A:$HOME"})
    first, second, last = specs_of(one.with_commands(["env"]))
    assert dict(first.builder_options.build_env) == {}
    assert dict(second.builder_options.build_env) == {"A": "1", "B": ":"}
    assert (last.env or {})["A"] == "1"


@pytest.mark.parametrize(
    ("text", "value"),
    [("$A/x", "1/x"), ("${A}b", "1b"), (r"\$A", "$A"), ("$MISSING.", "."), ("100%", "100%")],
)
def test_variables_are_expanded_as_in_a_dockerfile(text: str, value: str) -> None:
    """A name that is not set is empty."""
    assert expanded(text, {"A": "1"}) == value


def test_flytes_user_owns_what_comes_later_and_runs_the_image() -> None:
    """The default images make the user in a command, and end in its home."""
    one = flyte.Image.from_debian_base(
        install_flyte=False, name="image", registry="example.org/me", python_version=(3, 11)
    )
    specs = specs_of(one, DEBIAN)
    users = [spec.builder_options.user for spec in specs]
    made = next(n for n, spec in enumerate(specs) if "useradd" in str(spec.commands))
    assert users[made + 1] == "flyte"
    assert set(users[: made + 1]) == {""}
    assert specs[-1].builder_options.workdir == "/home/flyte"
    assert specs[-1].builder_options.labels["org.opencontainers.image.authors"].startswith("Union")
    assert [str(one) for one in specs[-1].platforms()] == ["linux/amd64", "linux/arm64"]


def test_installer_options_of_a_layer_are_the_specs() -> None:
    """Indexes, pre-releases and further arguments."""
    one = image().with_pip_packages(
        "six",
        index_url="https://example.org/simple",
        extra_index_urls=["https://example.net/simple"],
        pre=True,
        extra_args="--no-deps",
    )
    spec = specs_of(one)[0]
    assert spec.pip_index == "https://example.org/simple"
    assert spec.pip_extra_index_url == ("https://example.net/simple",)
    assert spec.pip_extra_args == "--prerelease=allow --no-deps"


def test_secrets_keep_layers_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step finds its own layer's, and no other's."""
    monkeypatch.setenv("TOKEN", "x")
    one = image().with_commands(["a"], secret_mounts=["token"]).with_commands(["b"])
    first, second, _ = specs_of(one)
    assert list(first.builder_options.step_secrets) == ["TOKEN"]
    assert not second.builder_options.step_secrets


def test_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the layer it is of, and what to set."""
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(SpecValidationError) as caught:
        specs_of(image().with_commands(["a"], secret_mounts=["token"]))
    (problem,) = caught.value.problems
    assert problem.field == "layers[0].secret_mounts"
    assert problem.remedy == "export TOKEN=…"


def test_files_are_below_later_commands_and_upon_earlier_ones(tmp_path: Path) -> None:
    """Each copy is a spec of its own once a command has run."""
    (tmp_path / "f.txt").write_text("x")
    one = (
        image()
        .with_commands(["a"])
        .with_source_file(tmp_path / "f.txt", "/x/")
        .with_commands(["b"])
    )
    first, second, third, _ = specs_of(one)
    assert (first.commands, second.commands, third.commands) == (("a",), None, ("b",))
    assert second.copy == ("f.txt",)
    assert second.builder_options.copy_to == "/x/f.txt"


def test_folder_is_what_dockerignore_leaves(tmp_path: Path) -> None:
    """By Flyte's own reading of the file."""
    source = tmp_path / "src"
    (source / "deep").mkdir(parents=True)
    for name in ("a.py", "deep/b.py", "c.log"):
        (source / name).write_text(name)
    ignore = tmp_path / ".dockerignore"
    ignore.write_text("# logs\n*.log\n")
    spec = specs_of(image().with_source_folder(source).with_dockerignore(ignore))[0]
    selection = spec.source_selection()
    assert selection is not None
    assert [one.path for one in selection.files()] == ["a.py", "deep", "deep/b.py"]
    assert spec.builder_options.copy_to == "/home/flyte/src"


def test_code_bundle_holds_the_loaded_modules(tmp_path: Path) -> None:
    """Once Flyte has said where they are; before, it is no layer at all."""
    from flyte._image import resolve_code_bundle_layer

    (tmp_path / "used_here.py").write_text("")
    (tmp_path / "unused.py").write_text("")
    sys.path.insert(0, str(tmp_path))
    try:
        __import__("used_here")
        one = resolve_code_bundle_layer(image().with_code_bundle(), "none", tmp_path)
        spec = specs_of(one)[0]
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["used_here"]
    selection = spec.source_selection()
    assert selection is not None
    assert [one.path for one in selection.files()] == ["used_here.py"]


def test_dockerfile_is_refused_with_a_way_out(tmp_path: Path) -> None:
    """This builder has no frontend for it."""
    (tmp_path / "Dockerfile").write_text("FROM x")
    one = flyte.Image.from_dockerfile(tmp_path / "Dockerfile", "example.org/me", "image")
    with pytest.raises(SpecValidationError, match="Dockerfile"):
        base_of(one)


def test_layer_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Pixi projects are; the error names the layer."""
    (tmp_path / "pixi.toml").write_text("")
    with pytest.raises(SpecValidationError) as caught:
        specs_of(image().with_pip_packages("six").with_pixi_project(tmp_path / "pixi.toml"))
    assert caught.value.problems[0].field == "layers[1]"
    assert "PixiProject" in caught.value.problems[0].message


def test_flyte_does_not_import_us_until_an_image_is_built() -> None:
    """What is installed beside it costs its users nothing."""
    program = (
        "import flyte, flyte.cli.main, sys;"
        " print([name for name in sys.modules if name.startswith('buildkit_spec.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
