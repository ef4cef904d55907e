"""What a command of the spec runs with."""

from __future__ import annotations

from typing import Any

import pytest

from buildkit_spec import ImageSpec, llb
from buildkit_spec._pb import ops
from buildkit_spec.plan import ImageConfig, Settings
from buildkit_spec.plan.commands import run_command
from buildkit_spec.plan.probe import Probe
from buildkit_spec.plan.steps import Context, run
from buildkit_spec.values import Platform

AMD64 = Platform("linux", "amd64")
BASE = {"PATH": "/base/bin", "LANG": "C"}


def context_of(command: str, **fields: Any) -> Context:
    spec = ImageSpec(base_image="debian:12", commands=[command], **fields)
    return Context(spec, AMD64, Settings(), ImageConfig(env=BASE), Probe())


def exec_of(state: llb.State) -> ops.ExecOp:
    """The last step, as it goes to the daemon."""
    definition = ops.Definition.FromString(state.marshal(platform=AMD64).to_bytes())
    found = [ops.Op.FromString(one) for one in definition.def_]
    (step,) = [one.exec for one in found if one.HasField("exec")]
    return step


def env_of(command: str, **fields: Any) -> dict[str, str]:
    step = exec_of(run_command(context_of(command, **fields), llb.image("debian:12"), 0))
    return dict(one.split("=", 1) for one in step.meta.env)


@pytest.mark.parametrize(
    "command",
    [
        "echo $MODE",
        "echo ${MODE:-x}",
        "python3 -c 'import os; print(os.environ[\"MODE\"])'",
        "MODE=1 ./configure",
    ],
)
def test_command_sees_the_variables_it_names(command: str) -> None:
    """As a word, however it is read: the shell is not the only one that does."""
    assert env_of(command, env={"MODE": "fast", "OTHER": "x"}).get("MODE") == "fast"


def test_variable_of_any_name_is_found() -> None:
    """Also where it is none of a shell."""
    env = {"A[B": "1", "a.b-c": "2", "A(": "3"}

    assert {"a.b-c": "2"}.items() <= env_of("run a.b-c", env=env).items()
    assert "A[B" not in env_of("make", env=env)


@pytest.mark.parametrize("command", ["make", "echo $MODEL", "echo $MY_MODE", "echo mode"])
def test_command_does_not_see_what_it_does_not_name(command: str) -> None:
    """So another value runs nothing; the base image's variables are always there."""
    seen = env_of(command, env={"MODE": "fast"})

    assert "MODE" not in seen
    assert seen["LANG"] == "C"


def test_build_environment_goes_before_the_base_image_and_behind_what_is_named() -> None:
    """The spec's own environment is what containers see too."""
    options = {"build_env": {"LANG": "de", "MODE": "build", "PATH": "/build/bin"}}

    seen = env_of("echo $MODE", env={"MODE": "fast"}, builder_options=options)
    assert (seen["LANG"], seen["MODE"], seen["PATH"]) == ("de", "fast", "/build/bin")

    seen = env_of("make", env={"MODE": "fast"}, builder_options=options)
    assert seen["MODE"] == "build"


def test_every_step_sees_the_build_environment() -> None:
    """Also those of apt and Python, which see nothing of the spec's ``env``."""
    context = context_of("x", env={"A": "1"}, builder_options={"build_env": {"B": "2"}})
    env = exec_of(run(context, llb.image("debian:12"), ["apt-get"], name="x")).meta.env

    assert "B=2" in env
    assert not any(one.startswith("A=") for one in env)


def test_cache_mounts_are_shared_and_have_names_of_their_own() -> None:
    """Two builds may use one at once; what the builder itself keeps is not reached."""
    options = {"cache_mounts": {"/root/.cache/models": "models"}}
    step = exec_of(run_command(context_of("x", builder_options=options), llb.image("debian:12"), 0))
    (mount,) = [one for one in step.mounts if one.mountType == ops.MountType.CACHE]

    assert (mount.dest, mount.cacheOpt.ID) == (
        "/root/.cache/models",
        "buildkit-spec-commands-models",
    )
    assert mount.cacheOpt.sharing == ops.CacheSharingOpt.SHARED


def test_command_runs_in_the_folder_it_is_told() -> None:
    """By default in the root."""
    for options, folder in (({}, "/"), ({"run_in": "/srv"}, "/srv")):
        context = context_of("pwd", builder_options=options)
        step = exec_of(run_command(context, llb.image("debian:12"), 0))
        assert step.meta.cwd == folder


def test_every_step_finds_the_secrets_of_all_steps() -> None:
    """A variable by its name, a file at its path; with no value in the graph."""
    secrets = {"TOKEN": "env:OTHER", "/etc/token": "file:/home/me/token"}
    context = context_of("x", builder_options={"step_secrets": secrets})

    step = exec_of(run(context, llb.image("debian:12"), ["true"], name="step"))

    variables = {one.name: one.ID for one in step.secretenv}
    assert variables["TOKEN"] == "buildkit-spec.step.TOKEN"
    files = {one.dest: one.secretOpt.ID for one in step.mounts if one.HasField("secretOpt")}
    assert files["/etc/token"] == "buildkit-spec.step./etc/token"
    assert set(context.spec.secret_sources()) == {
        "buildkit-spec.step.TOKEN",
        "buildkit-spec.step./etc/token",
    }
