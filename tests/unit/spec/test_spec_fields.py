"""The rules of single fields."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import CopyMode, ImageSpec


class CopyFileDetection(enum.Enum):
    """flytekit's enum."""

    LOADED_MODULES = 1
    ALL = 2
    NO_COPY = 3


def problem_of(field: str, value: object):
    with pytest.raises(SpecValidationError) as caught:
        ImageSpec(**{field: value})
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("name", "My-Image", "my-image"),
        ("name", "team/app_one", "team/app_one"),
        ("registry", "localhost:30000", "localhost:30000"),
        ("registry", "localhost:30000/flyte", "localhost:30000/flyte"),
        ("registry", "192.168.1.1:30000/myimage", "192.168.1.1:30000/myimage"),
        ("registry", "GHCR.io/FlyteOrg", "ghcr.io/flyteorg"),
        ("registry", "pingsutw", "pingsutw"),
        ("registry", "myregistry:5000/myimage", "myregistry:5000/myimage"),
        (
            "registry",
            "us-west1-docker.pkg.dev/example.com/p/r",
            "us-west1-docker.pkg.dev/example.com/p/r",
        ),
        ("registry", "[::1]:5000", "[::1]:5000"),
        ("python_version", "3.10", "3.10"),
        ("python_version", "3.12.4", "3.12.4"),
        ("python_version", "3.13t", "3.13t"),
        ("platform", "linux/amd64", "linux/amd64"),
        ("platform", "linux/amd64,linux/arm64", "linux/amd64,linux/arm64"),
        ("platform", ["amd64", "aarch64", "linux/amd64"], "linux/amd64,linux/arm64"),
        ("packages", ["numpy", "pandas[excel]>=2", "x ; python_version<'3.9'"], None),
        (
            "packages",
            ["git+https://github.com/a/b.git@main", "https://h/x-1-py3-none-any.whl"],
            None,
        ),
        ("packages", ["x @ git+ssh://git@github.com/a/b", "git+https://${TOKEN}@h/x"], None),
        ("packages", [], ()),
        ("apt_packages", ["libboost-*1.74.0", "curl=7.88*", "libpng1?-16"], None),
        ("apt_packages", ["libc6:arm64", "git=1:2.39.2-1", "g++", "curl/bookworm-backports"], None),
        (
            "conda_packages",
            ["numpy>=1.26", "conda-forge::scipy", "python 3.11.*", "x[build=py3]"],
            None,
        ),
        ("conda_channels", ["conda-forge", "https://host/nvidia"], None),
        ("conda_channels", ["conda-forge/label/dev", "file:///channel", "./channel"], None),
        ("requirements", Path("a/requirements.txt"), "a/requirements.txt"),
        ("copy", ["./src/", "a//b", Path("c/../d"), "."], ("src", "a/b", "d", ".")),
        ("env", {"A": 3, "B": -1, "C": 0}, {"A": "3", "B": "-1", "C": "0"}),
        ("env", {"EMPTY": "", "MULTI": "a\nb", "a.b-c": "x y"}, None),
        ("pip_secret_mounts", [[".netrc", "/root/.netrc"]], ((".netrc", "/root/.netrc"),)),
        ("pip_extra_args", "--pre --find-links '/a b'", None),
        ("tag_format", "{spec_hash}-dev", None),
        ("tag_format", "v1-{spec_hash:.8}", None),
        ("tag_format", "latest", None),
        ("entrypoint", [], ()),
        ("commands", ["echo 'a'\necho b"], None),
        ("base_image", "python:3.12-slim", None),
        ("base_image", "scratch", None),
        ("base_image", "localhost:5000/a/b@sha256:" + "0" * 64, None),
        ("source_copy_mode", "all", CopyMode.ALL),
        ("source_copy_mode", "NO_COPY", CopyMode.NO_COPY),
        ("source_copy_mode", "loaded_modules", CopyMode.LOADED_MODULES),
        ("source_copy_mode", CopyFileDetection.NO_COPY, CopyMode.NO_COPY),
        ("source_copy_mode", CopyFileDetection.LOADED_MODULES, CopyMode.LOADED_MODULES),
    ],
)
def test_good_value_is_kept(field, value, kept):
    """What flytekit accepts and a build can use is accepted, in one spelling."""
    expected = kept if kept is not None else (tuple(value) if isinstance(value, list) else value)

    assert getattr(ImageSpec(**{field: value}), field) == expected


@pytest.mark.parametrize(
    ("field", "value", "message", "remedy"),
    [
        (
            "name",
            "localhost:30000/x:1",
            "holds more than a name",
            "registry: localhost:30000, name: x",
        ),
        ("name", "x@sha256:1", "holds more than a name", "name: x"),
        ("name", "a b", "no image name", ""),
        ("name", "ghcr.io/me/x", "begins with a registry", "registry: ghcr.io/me, name: x"),
        ("name", "a" * 300, "longer", ""),
        ("name", "", "empty", ""),
        ("name", 5, "is a number, not text", 'quote it: "5"'),
        ("registry", "https://ghcr.io/me/", "scheme", "write ghcr.io/me"),
        ("registry", "ghcr.io/me/", "ends with /", "write ghcr.io/me"),
        ("registry", "ghcr.io/flyteorg:latest", "holds a tag", "registry only"),
        ("registry", "flyteorg:latest", "holds a tag", "registry only"),
        ("registry", "invalid:port:50000", "no image name", "localhost:30000"),
        ("registry", "localhost:99999", "no valid port", "65535"),
        ("registry", "ghcr.io//x", "no image name", ""),
        ("python_version", 3.1, "3.10 and 3.1 are the same", 'quote it: "3.10"'),
        ("python_version", 3, "is a number", "quote it"),
        ("python_version", "3.", "no Python version", "3.12"),
        ("python_version", "python3", "no Python version", "3.12"),
        ("python_version", ">=3.9", "no Python version", "3.12"),
        ("platform", "linux/amd64/v2/x", "no platform", "linux/amd64"),
        ("platform", "linux/amd64,,", "no platform", "linux/amd64"),
        ("platform", [], "empty", "linux/amd64"),
        ("packages", "pandas", "letter by letter", 'write ["pandas"]'),
        ("packages", ["numpy=1.2"], "no package", "did you mean numpy==1.2?"),
        ("packages", ["numpy 1.2"], "no package", "did you mean numpy==1.2?"),
        ("packages", ["numpy, pandas"], "no package", "one package an item"),
        ("packages", ["-r requirements.txt"], "is an option", "requirements file"),
        ("packages", ["--editable"], "is an option", "requirements file"),
        ("packages", ["requirements.txt"], "is a file", "requirements: requirements.txt"),
        ("packages", ["git+https://user:pw@h/x"], "holds a login", "pip_secret_mounts"),
        ("packages", [1], "is a number", "quote it"),
        ("packages", [None], "is nothing", ""),
        ("packages", {"numpy": "1"}, "is a mapping, not a list", ""),
        ("packages", ["a\nb"], "line break", "one line"),
        ("apt_packages", ["git curl"], "no Debian package", "[git, curl]"),
        ("apt_packages", ["$(reboot)"], "no Debian package", ""),
        ("apt_packages", ["Git"], "no Debian package", ""),
        ("conda_packages", ["numpy; rm -rf /"], "no conda package", ""),
        ("conda_channels", ["--offline"], "no conda channel", ""),
        ("conda_channels", ["conda-forge nvidia"], "no conda channel", ""),
        ("copy", ["/etc/passwd"], "absolute", "relative"),
        ("copy", ["a/../../b"], "leads out", ""),
        ("copy", ["C:\\x"], "absolute", ""),
        ("copy", "src", "letter by letter", 'write ["src"]'),
        ("copy", ["x" * 300], "longer than a path", ""),
        ("env", {"A": True}, "is a boolean, not text", 'quote it: "True"'),
        ("env", {"A": 1.5}, "is a number", 'quote it: "1.5"'),
        ("env", {"A": None}, "has no value", ""),
        ("env", {"A=B": "x"}, "no name of a variable", ""),
        ("env", {"_F_IMG_ID": "x"}, "set by the builder", ""),
        ("env", ["A=b"], "is a list, not a mapping", ""),
        ("env", {"A": "\ud800"}, "surrogate", ""),
        ("env", {"A": "\0"}, "NUL", ""),
        ("pip_index", "pypi", "no index URL", "https://"),
        ("pip_index", "file:///x", "no index URL", "https://"),
        ("pip_extra_index_url", "https://h/simple", "letter by letter", ""),
        ("pip_extra_args", "--pre -c pins.txt", "-c pins.txt is not sent", "-c pins.txt into"),
        ("pip_extra_args", "--find-links=./a", "--find-links ./a is not sent", "[./a.whl]"),
        ("pip_extra_args", "--override o.txt", "--override o.txt is not sent", "base image"),
        ("pip_extra_args", "--x 'open", "cannot be split", "close it"),
        ("pip_extra_args", "--index-url https://u:p@h", "holds a login", "pip_index"),
        ("pip_secret_mounts", [("a",)], "has 1 items", "[path here"),
        ("pip_secret_mounts", [("a", "b", "c")], "has 3 items", "[path here"),
        ("pip_secret_mounts", ["ab"], "not a pair", "[path here"),
        ("pip_secret_mounts", [("a", "relative")], "no absolute path", "/root/relative"),
        ("tag_format", "{spec_hash} dev", "makes no tag", ""),
        ("tag_format", "{hash}", "something else", "{spec_hash}-dev"),
        ("tag_format", "{spec_hash.__class__}", "something else", ""),
        ("tag_format", "{spec_hash!r}", "something else", ""),
        ("tag_format", "{spec_hash:>99999999999}", "something else", ""),
        ("tag_format", "{", "no format", ""),
        ("tag_format", "-{spec_hash}", "makes no tag", ""),
        ("base_image", "Python:3.12", "no image", ""),
        ("base_image", "https://docker.io/python", "no image", "docker.io/python"),
        ("base_image", 5, "neither text nor a spec", "python:3.12-slim"),
        ("source_copy_mode", "everything", "no copy mode", "auto, all, none"),
        ("source_copy_mode", 2, "no copy mode", "auto, all, none"),
        ("source_copy_mode", False, "no copy mode", "auto, all, none"),
        ("builder_options", "x", "not a mapping", ""),
        ("builder_options", {"user": "a b"}, "no user", ""),
        ("builder_options", {"workdir": "app"}, "no absolute path", "/root/app"),
        ("builder_options", {"copy_to": "app"}, "no absolute path", "/root/app"),
        ("builder_options", {"uv_path": "uv"}, "no absolute path", "/root/uv"),
        ("builder_options", {"step_secrets": {"a-b": "env:X"}}, "name of a variable", "letters"),
        ("builder_options", {"network": "bridge"}, "none of the choices", "default, host, none"),
        ("builder_options", {"labels": {"a": 1}}, "is a number", "quote"),
        ("builder_options", {"secrets": {"T": "abc"}}, "says no source", "env:NAME"),
        ("builder_options", {"secrets": {"pip-0": "env:A"}}, "the builder uses", ""),
        ("builder_options", {"secrets": {"a/b": "env:A"}}, "no secret id", ""),
        ("builder_options", {"ssh": "yes"}, "not a boolean", "true or false"),
        ("builder_config", {"uv": "image"}, "is needed with uv: image", "uv_image: "),
        ("builder_config", {"uv": "pip"}, "none of the choices", ""),
        ("builder_config", {"uv_version": ">=0.5"}, "no exact version", ""),
        ("builder_config", {"uv_image": "A B"}, "no image", ""),
        ("commands", [""], "is empty", ""),
        ("commands", "ls", "letter by letter", ""),
        ("entrypoint", "python", "letter by letter", ""),
        ("cuda", 12.1, "is a number", "quote"),
        ("requirements", ["a"], "is a list, not text", ""),
    ],
)
def test_bad_value_says_what_and_what_instead(field, value, message, remedy):
    """A wrong value names its rule and what to write."""
    problem = problem_of(field, value)

    assert problem.field.startswith(field)
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "pylock.toml", "pylock.dev.toml"])
def test_lock_takes_no_packages(lock):
    """A lock is complete: packages beside it are refused."""
    with pytest.raises(SpecValidationError, match="complete as it is"):
        ImageSpec(requirements=f"a/{lock}", packages=["numpy"])

    assert ImageSpec(requirements="requirements.txt", packages=["numpy"]).packages


@pytest.mark.parametrize("requirements", [None, "requirements.txt", "pylock.toml"])
@pytest.mark.parametrize("name", ["extras", "dependency_groups"])
def test_extras_and_groups_are_of_a_project(requirements, name):
    """Nothing is ignored: where there is none, they are refused."""
    with pytest.raises(SpecValidationError, match="requirements names none") as caught:
        ImageSpec(requirements=requirements, builder_options={name: ["a"]})

    assert [one.field for one in caught.value.problems] == [f"builder_options.{name}"]
    for file in ("uv.lock", "poetry.lock", "pyproject.toml"):
        assert ImageSpec(requirements=file, builder_options={name: ["a"]}).requirements


def test_project_that_is_installed_is_of_the_requirements():
    """With packages alone nobody knows which one."""
    with pytest.raises(SpecValidationError, match="install_project"):
        ImageSpec(packages=["six"], builder_options={"install_project": "normal"})


@pytest.mark.parametrize("login", ["u:hunter2@host/c", "host/t/hunter2/c", "hunter2@host/t"])
def test_channel_with_a_login_is_refused(login: str):
    """It would be an argument of a step; the error names the way, and not the login."""
    problem = problem_of("conda_channels", [f"https://{login}"])

    assert problem.field == "conda_channels[0]"
    assert "holds a login" in problem.message
    assert "step_secrets" in problem.remedy
    assert "hunter2" not in str(problem)


def test_base_of_the_same_image_name_is_refused():
    """With tags that do not tell them apart, one would take the place of the other."""
    base = ImageSpec(name="app", registry="r.test", tag_format="dev", base_image="debian:12")
    fields = {"name": "app", "registry": "r.test", "env": {"A": "1"}}
    between = ImageSpec(name="other", base_image=base)
    for inner in (base, between):
        with pytest.raises(SpecValidationError, match=r"r\.test/app:dev is also the base"):
            ImageSpec(**fields, tag_format="dev", base_image=inner)

    assert ImageSpec(**fields, tag_format="{spec_hash}-dev", base_image=base).base_image == base
    assert ImageSpec(**fields, tag_format="prod", base_image=base).base_image == base
    assert ImageSpec(name="app", tag_format="dev", base_image=base.replace(registry=None))


def test_conda_brings_its_own_python():
    """Conda packages and ``python_exec`` exclude each other, as in flytekit."""
    with pytest.raises(SpecValidationError, match="interpreter of their own"):
        ImageSpec(conda_packages=["numpy"], python_exec="/usr/bin/python3")


def test_endless_nesting_is_refused():
    """A mapping that is its own base image is a problem, not a recursion."""
    data: dict[str, object] = {}
    data["base_image"] = data

    assert "nested more than" in problem_of("base_image", data).message


def test_nested_base_may_be_a_mapping():
    """A base image may be written as a mapping, as a YAML file does."""
    base = ImageSpec(name="base", packages=["numpy"])

    assert ImageSpec(base_image={"name": "base", "packages": ["numpy"]}).base_image == base
