"""Steps that fail on a real BuildKit: each is told with what one needs, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from failing import cli, digest_of, fails, image_kept, unique, write_yaml
from making import MakeSpec

from buildkit_spec import BuildkitBuilder, BuildResult, ImageBuildEngine
from buildkit_spec.errors import (
    ExecError,
    ResolutionError,
    SecretNotFoundError,
    SpecValidationError,
)
from buildkit_spec.values import StatusUpdate


def test_failing_apt_package_is_named(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """A package that apt does not have: its name, the field, apt's words, what to do."""
    error = fails(builder, spec(apt_packages=["jq", "no-such-deb"]), ExecError)

    assert error.vertex == "[apt] install jq no-such-deb"
    assert error.source == "apt_packages"
    assert error.exit_code == 100
    assert error.command[-2:] == ("jq", "no-such-deb")
    assert "E: Unable to locate package no-such-deb" in error.log_tail
    assert "'no-such-deb' in apt_packages" in error.remedy


@pytest.mark.parametrize("stream", [1, 2])
def test_failing_command_is_told_with_its_last_lines(
    builder: BuildkitBuilder, spec: MakeSpec, stream: int
) -> None:
    """A command: which of them, how it ended, and what it said last, on either stream."""
    command = f"(seq 200; echo oh no; printf unended) >&{stream}; exit 7"
    error = fails(builder, spec(commands=["true", command]), ExecError)

    assert error.source == "commands[1]"
    assert error.exit_code == 7
    assert error.command == ("/bin/sh", "-c", command)
    assert error.log_tail[-3:] == ("200", "oh no", "unended")
    assert "1" not in error.log_tail
    assert command in error.message
    assert error.message.endswith("ended with exit code 7")
    assert "commands[1]" in error.remedy


def test_failing_command_with_a_very_long_script_is_told_whole(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """The daemon sends the failed op along: 200 kB of it do not hide the exit code."""
    command = f": {'x' * 100_000}\nexit 9"
    error = fails(builder, spec(commands=[command]), ExecError)

    assert error.exit_code == 9
    assert error.command[-1] == command
    assert len(error.message) < 300


def test_failing_command_that_misses_a_program_says_where_programs_come_from(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """A shell's "not found" leads to apt_packages."""
    error = fails(builder, spec(commands=["no-such-tool --help"]), ExecError)

    assert error.exit_code == 127
    assert "'no-such-tool' is not in the image" in error.remedy


def test_failing_unknown_python_package_is_named(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """A package that the index does not have: the resolver's words and the field."""
    name = f"no-such-package-{unique()[:8]}"
    error = fails(builder, spec(packages=["six", name]), ResolutionError)

    assert error.source == "packages"
    assert any(name in line and "not found" in line for line in error.explanation)
    assert f"{name!r} in packages" in error.remedy


def test_failing_versions_are_explained_by_the_resolver(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """Versions that do not go together: which ones, and who asked for them."""
    error = fails(builder, spec(packages=["six==1.16.0", "six<1.10"]), ResolutionError)

    explanation = " ".join(error.explanation)
    assert error.source == "packages"
    assert "six==1.16.0" in explanation
    assert "six<1.10" in explanation
    assert "unsatisfiable" in explanation
    assert "do not go together" in error.remedy


def test_failing_secret_without_a_source_is_named(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """A secret whose variable is not set is our own error, not the daemon's."""
    made = spec(commands=["true"], builder_options={"secrets": {"token": "env:NOT_SET_ANYWHERE"}})
    error = fails(builder, made, SecretNotFoundError)

    assert error.id == "token"
    assert "NOT_SET_ANYWHERE" in str(error)


def test_failing_base_without_python_is_refused_before_it_is_built(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """What the base image lacks is a problem of the spec, found by looking into the base."""
    with pytest.raises(SpecValidationError) as caught:
        builder.build(spec(packages=["six"], python_exec="/opt/none/python"))
    assert [problem.field for problem in caught.value.problems] == ["python_exec"]


@pytest.mark.parametrize("fields", [{"commands": ["true"]}, {"packages": ["six"]}])
def test_failing_base_without_a_shell_is_told(
    builder: BuildkitBuilder, spec: MakeSpec, fields: dict[str, list[str]]
) -> None:
    """A base image that holds no shell, nor users: what is missing, not what the kernel said."""
    error = fails(builder, spec(base_image="scratch", **fields), ExecError)

    assert "no shell" in error.remedy


def test_failing_build_ends_the_command_line_with_1(tmp_path: Path, spec: MakeSpec) -> None:
    """The command line says step, field, last lines and exit code, and exits with 1."""
    made = spec(commands=["echo what went wrong; exit 3"])

    with image_kept(made):
        done = cli("build", write_yaml(tmp_path / "i.yaml", made), "--force", "--progress", "quiet")

    assert done.returncode == 1
    assert done.stdout == ""
    for said in (
        "[commands[0]] echo what went wrong; exit 3",
        "commands[0]",
        "    what went wrong\n",
        "exit code: 3",
    ):
        assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_failing_spec_among_good_ones_stops_no_other(
    builder: BuildkitBuilder, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three specs the bad one fails alone; the results keep their order."""
    monkeypatch.setattr(ImageBuildEngine, "_builders", {})
    ImageBuildEngine.register("buildkit", builder)
    good, bad, other = (
        spec(name=name, commands=[command])
        for name, command in (("a", "true"), ("b", "exit 5"), ("c", "echo c > /root/c"))
    )

    first, failure, last = ImageBuildEngine.build_many([good, bad, other])

    assert isinstance(first, BuildResult)
    assert digest_of(good) == first.digest
    assert isinstance(failure, ExecError)
    assert failure.exit_code == 5
    assert digest_of(bad) is None
    assert isinstance(last, BuildResult)
    assert digest_of(other) == last.digest


def test_failing_display_ends_the_build_with_its_own_error(
    builder: BuildkitBuilder, spec: MakeSpec
) -> None:
    """What a status callback raises comes out of build, and nothing is pushed."""

    class Broken(Exception):
        pass

    def show(update: StatusUpdate) -> None:
        raise Broken

    made = spec(commands=["echo never seen"])
    with image_kept(made), pytest.raises(Broken):
        builder.build(made, force=True, on_status=show)
