"""`ImageSpec`: fields, copies, text."""

from __future__ import annotations

import copy
import pickle
import sys
from importlib.metadata import version

import pydantic
import pytest

from buildkit_spec.errors import SpecError, SpecValidationError
from buildkit_spec.spec import BuilderOptions, CopyMode, ImageSpec

FLYTEKIT_FIELDS = (  # noqa: SIM905 - a list of thirty lines reads worse
    "name python_version builder source_root env registry packages conda_packages conda_channels "
    "requirements apt_packages cuda cudnn base_image platform pip_index pip_extra_index_url "
    "pip_secret_mounts pip_extra_args registry_config entrypoint commands tag_format "
    "source_copy_mode copy python_exec runtime_packages builder_options builder_config"
).split()


def problems_of(**fields: object) -> dict[str, str]:
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(**fields)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_fields_are_flytekits():
    """Every field of flytekit 1.16 is there, and no other."""
    assert sorted(ImageSpec.fields()) == sorted(FLYTEKIT_FIELDS)


def test_defaults_say_nothing():
    """A field that is not given is None; name and options have flytekit's default and none set."""
    spec = ImageSpec()

    given = {name for name in FLYTEKIT_FIELDS if getattr(spec, name) is not None}
    assert given == {"name", "builder_options", "builder_config"}
    assert spec.name == "flytekit"
    assert spec.builder_options == BuilderOptions()


def test_none_means_not_given():
    """None is the same as leaving the field out, as in flytekit."""
    assert ImageSpec(name=None, packages=None, builder_options=None) == ImageSpec()


def test_spec_cannot_change():
    """Neither a field nor what is in it can be set."""
    spec = ImageSpec(env={"A": "b"}, packages=["numpy"], builder_options={"labels": {"a": "b"}})

    with pytest.raises(AttributeError, match="cannot be changed"):
        spec.name = "other"
    with pytest.raises(TypeError, match="cannot be changed"):
        spec.env["A"] = "c"
    with pytest.raises(TypeError, match="cannot be changed"):
        spec.builder_options.labels.update(a="c")
    assert isinstance(spec.packages, tuple)


def test_arguments_stay_as_they_were():
    """What the caller passes in is neither kept nor changed."""
    packages, env = ["numpy"], {"A": "b"}
    spec = ImageSpec(packages=packages, env=env)
    packages.append("pandas")
    env["A"] = "c"

    assert (spec.packages, spec.env) == (("numpy",), {"A": "b"})


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal(duplicate):
    """Copies and pickles are equal, with the wish to be forced."""
    spec = ImageSpec(
        env={"A": "b"},
        base_image=ImageSpec(name="base"),
        builder_options={"secrets": {"T": "env:T"}},
    ).force_push()

    other = duplicate(spec)

    assert other == spec
    assert hash(other) == hash(spec)
    assert other.is_forced


def test_specs_are_told_apart_by_fields():
    """Specs with the same fields are equal, whatever was given for them."""
    assert ImageSpec(name="A", packages=["numpy"]) == ImageSpec(name="a", packages=("numpy",))
    assert ImageSpec(packages=["numpy"]) != ImageSpec(packages=["pandas"])


def test_with_methods_add():
    """Every ``with_*`` adds to a new spec, one text or several, and leaves the first alone."""
    first = ImageSpec(packages=["a"], apt_packages=["git"], env={"A": "1"})
    second = (
        first.with_packages("b")
        .with_packages(["c", "d"])
        .with_apt_packages("wget")
        .with_conda_packages("numpy", channels="conda-forge")
        .with_commands("ls")
        .with_copy(["src", "data/x.txt"])
        .with_runtime_packages(["e"])
        .with_requirements("requirements.txt")
        .with_env({"B": "2"})
        .with_builder_options({"user": "app"})
        .with_builder_options({"labels": {"a": "b"}})
    )

    assert second.packages == ("a", "b", "c", "d")
    assert second.apt_packages == ("git", "wget")
    assert (second.conda_packages, second.conda_channels) == (("numpy",), ("conda-forge",))
    assert second.commands == ("ls",)
    assert second.copy == ("src", "data/x.txt")
    assert second.runtime_packages == ("e",)
    assert second.requirements == "requirements.txt"
    assert second.env == {"A": "1", "B": "2"}
    assert second.builder_options == BuilderOptions(user="app", labels={"a": "b"})
    assert first == ImageSpec(packages=["a"], apt_packages=["git"], env={"A": "1"})


@pytest.mark.parametrize("value", [5, {"numpy"}, None, b"x", object()])
def test_with_methods_refuse_what_the_field_refuses(value):
    """A wrong argument is a problem of the field, not a TypeError."""
    spec = ImageSpec()
    for method in ("with_packages", "with_commands", "with_copy", "with_apt_packages"):
        with pytest.raises(SpecValidationError):
            getattr(spec, method)(value)
    if value is not None:
        with pytest.raises(SpecValidationError):
            spec.with_env(value)
        with pytest.raises(SpecValidationError):
            spec.with_builder_options(value)


def test_replace_takes_fields_out():
    """None takes a field out again, and what it implied with it."""
    spec = ImageSpec(source_root=".", packages=["numpy"])

    assert spec.source_copy_mode is CopyMode.LOADED_MODULES
    assert spec.replace(source_root=None) == ImageSpec(packages=["numpy"])


def test_from_env_pins_what_is_installed(monkeypatch):
    """`from_env` takes this Python and pins packages, and leaves the caller's list alone."""
    packages = ["pandas"]
    spec = ImageSpec.from_env(pinned_packages=["pydantic"], packages=packages)

    assert spec.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert spec.packages == ("pandas", f"pydantic=={version('pydantic')}")
    assert packages == ["pandas"]
    assert ImageSpec.from_env().packages is None


def test_from_env_reports_all_that_is_missing():
    """All packages that are not installed are told at once; a Python version is refused."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec.from_env(pinned_packages=["no-such-a", "", "pytest", "no-such-b"])

    assert len(caught.value.problems) == 3
    with pytest.raises(ValueError, match="python_version: can not be used with `from_env`"):
        ImageSpec.from_env(python_version="3.9")


def test_all_problems_come_at_once():
    """Unknown fields, wrong values, nested ones and broken laws are one error, in field order."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(
            apt_packages=["git curl"],
            base_image={"name": "a:b", "packages": ["numpy=1"]},
            builder_config={"uv": "image"},
            builder_options={"usr": "me", "network": "bridge"},
            copy=["/etc", "../x", "ok"],
            env={"A": True, "B C": "x"},
            packages="numpy",
            pakages=["numpy"],
            python_version=3.1,
            registry="https://ghcr.io/me",
        )

    assert [problem.field for problem in caught.value.problems] == [
        "python_version",
        "env.A",
        "env.B C",
        "registry",
        "packages",
        "apt_packages[0]",
        "builder_options.network",
        "builder_options.usr",
        "builder_config.uv_image",
        "base_image.name",
        "base_image.packages[0]",
        "copy[0]",
        "copy[1]",
        "pakages",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pakages", "packages"),
        ("Packages", "packages"),
        ("apt-packages", "apt_packages"),
        ("python", "python_version"),
        ("image", "base_image"),
        ("environment", "env"),
        ("user", "builder_options"),
        ("platforms", "platform"),
    ],
)
def test_unknown_field_says_what_was_meant(written, meant):
    """A field that does not exist names the one that was meant."""
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(**{written: "x"})

    (problem,) = caught.value.problems
    assert problem.field == written
    assert problem.message == "unknown field"
    assert f"did you mean {meant}" in problem.remedy


def test_unknown_option_says_what_was_meant():
    """The builder's own options are checked the same way, also when they are made directly."""
    with pytest.raises(SpecValidationError, match="did you mean workdir"):
        ImageSpec(builder_options={"work_dir": "/x"})
    with pytest.raises(SpecValidationError, match="did you mean workdir"):
        BuilderOptions(work_dir="/x")


def test_logins_are_never_shown():
    """Neither the text of a spec nor an error about it shows a password of a URL."""
    spec = ImageSpec(
        pip_index="https://user:hunter2@host/simple",
        pip_extra_index_url=["https://hunter2@host/simple"],
    )

    assert "hunter2" not in repr(spec) + str(spec) + f"{spec!r}"
    assert "https://***@host/simple" in repr(spec)
    assert "hunter2" in spec.to_yaml()
    for fields in (
        {"pip_index": "ftp://user:hunter2@host"},
        {"pip_extra_index_url": "https://user:hunter2@host"},
        {"packages": ["git+https://user:hunter2@host/x"]},
        {"packages": ["x @ https://user:hunter2@host/x ; bad"]},
        {"pip_extra_args": "--index-url https://user:hunter2@host"},
        {"registry": "https://user:hunter2@host/x"},
        {"registry": "user:hunter2@host/x"},
        {"base_image": "https://user:hunter2@host/x"},
        {"base_image": "user:hunter2@host/x"},
        {"name": "user:hunter2@host/x"},
        {"builder_options": {"secrets": {"TOKEN": "hunter2"}}},
        {"env": 5, "pip_index": "https://user:hunter2@host"},
    ):
        with pytest.raises(SpecError) as caught:
            ImageSpec(**fields)
        error: BaseException | None = caught.value
        while error is not None:
            assert "hunter2" not in str(error), fields
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_secret_sources_start_from_the_root(tmp_path, monkeypatch):
    """Files of secrets become absolute paths; ids are those the builder mounts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    spec = ImageSpec(
        pip_secret_mounts=[("netrc", "/root/.netrc"), ["~/.netrc", "/n"]],
        builder_options={"secrets": {"TOKEN": "env:MY_TOKEN", "KEY": "file:keys/a"}},
    )

    sources = spec.secret_sources()

    assert {id: getattr(one, "path", None) or one.name for id, one in sources.items()} == {
        "pip-0": str(tmp_path / "netrc"),
        "pip-1": "/home/me/.netrc",
        "TOKEN": "MY_TOKEN",
        "KEY": str(tmp_path / "keys/a"),
    }


def test_uv_comes_from_an_image_as_soon_as_one_is_named():
    """flytekit's ``uv_image`` is enough; otherwise the wheel is used."""
    assert ImageSpec().builder_config.uv == "wheel"
    assert ImageSpec(builder_config={"uv_image": "x/uv:1"}).builder_config.uv == "image"
    assert (
        ImageSpec(builder_config={"uv_image": "x/uv:1", "uv": "base"}).builder_config.uv == "base"
    )


def test_spec_is_a_field_of_pydantic_models():
    """A model takes a spec or a mapping, says what is wrong with it, and dumps it as in YAML."""

    class Job(pydantic.BaseModel):
        image: ImageSpec

    spec = ImageSpec(name="train", packages=["numpy"])
    assert Job(image=spec).image is spec
    assert Job.model_validate({"image": {"name": "train", "packages": ["numpy"]}}).image == spec
    assert Job(image=spec).model_dump() == {"image": {"name": "train", "packages": ["numpy"]}}
    with pytest.raises(pydantic.ValidationError, match="did you mean packages"):
        Job.model_validate({"image": {"pakages": []}})
