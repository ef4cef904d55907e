"""`python_version`: the base's interpreter where it fits, otherwise one of the image's own."""

from __future__ import annotations

import pytest
from making import MakeSpec, Pulled

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import ExecError, SpecValidationError


def bare(spec: MakeSpec) -> ImageSpec:
    """A base image without Python."""
    return spec(name="bare", commands=["rm -r /usr/bin/python* /usr/lib/python3*"])


def test_python_is_installed_where_the_base_has_none(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, interpreters: str
) -> None:
    """It is first on the path, packages go into it, and every user can run it."""
    wanted = spec(
        base_image=bare(spec),
        python_version="3.11",
        packages=["six"],
        builder_options={"network": "host"},
        builder_config={"python_downloads": f"{interpreters}/list.json"},
    )
    image = pulled(builder.build(wanted))

    where = "import six, sys; print(sys.executable, six.__file__.startswith('/opt/python'))"
    assert image.run("python3", "-c", where).stdout == "/opt/python/bin/python3 True\n"
    assert image.env["PATH"].startswith("/opt/python/bin:")
    assert image.path("/opt/python-versions").stat().st_mode & 0o005 == 0o005
    assert sorted(one.name for one in image.path("/opt").iterdir()) == [
        "python",
        "python-versions",
    ]


def test_python_comes_from_the_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, pulled: Pulled, interpreters: str
) -> None:
    """It stands in place of where the list says: a closed network needs no other list."""
    config = {"python_downloads": f"{interpreters}/elsewhere.json", "python_mirror": interpreters}
    wanted = spec(
        base_image=bare(spec),
        python_version="3.11",
        packages=["six"],
        builder_options={"network": "host", "no_cache": True},
        builder_config=config,
    )
    image = pulled(builder.build(wanted))

    assert image.run("python3", "-c", "import six").returncode == 0


def test_python_that_cannot_be_fetched_names_the_mirror(
    builder: BuildkitBuilder, spec: MakeSpec, interpreters: str
) -> None:
    """The remedy is the option that says where interpreters come from."""
    wanted = spec(
        python_version="3.9",
        packages=["six"],
        builder_options={"network": "host"},
        builder_config={"python_downloads": f"{interpreters}/list.json"},
    )
    with pytest.raises(ExecError) as caught:
        builder.build(wanted)

    assert caught.value.source == "python_version"
    assert "python_mirror" in caught.value.remedy


def test_interpreter_that_is_named_and_not_there_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Whoever names one wants no other."""
    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(python_exec="/usr/bin/python9", packages=["six"]))

    (problem,) = caught.value.problems
    assert problem.field == "python_exec"


def test_interpreter_that_is_named_and_of_another_version_is_refused(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The message tells both versions."""
    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(python_exec="/usr/bin/python3", python_version="3.9", packages=["six"]))

    (problem,) = caught.value.problems
    assert "3.11" in problem.message
    assert "3.9" in problem.message
