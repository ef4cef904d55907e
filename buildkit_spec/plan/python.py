"""Python packages: installed with ``uv`` into the image's own interpreter, a layer group a step."""

from __future__ import annotations

from collections.abc import Sequence

from buildkit_spec import llb
from buildkit_spec.plan import inside, uv
from buildkit_spec.plan.groups import LayerGroup
from buildkit_spec.plan.lock import LockedPackage
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context, run

_DIR = f"{RUN_DIR}/group"
_PROGRAM = "install.py"
_LIST = "packages.txt"
_COMPILED = f"{uv.CACHE_DIR}/buildkit-spec-compiled"
_SHOWN = 4


def install(
    context: Context,
    state: llb.State,
    group: LayerGroup,
    *,
    stage: str,
    arguments: Sequence[str] = (),
    mounts: Sequence[llb.Mount] = (),
) -> llb.State:
    """Install the packages of one group, and nothing that they need.

    What is installed is pinned, and verified where hashes are known: the step is the same for
    every image that holds the group.

    Args:
        context: The platform's context; its probe names the interpreter.
        state: The file system to install into.
        group: What to install.
        stage: Name of the stage.
        arguments: Further arguments of the installer.
        mounts: What local packages are built from.
    """
    uv_program, uv_mounts = uv.mount(context.spec.builder_config, context.platform)
    packages = group.packages
    command = [uv_program, "pip", "install", "--python", context.probe.python, "--quiet"]
    command += ["--break-system-packages", "--no-deps", *arguments]
    if all(package.hashes for package in packages):
        command.append("--require-hashes")
    command += ["--requirements", f"{_DIR}/{_LIST}"]
    lines = "".join(f"{package.requirement}\n" for package in packages)
    order = {
        "command": command,
        "epoch": context.settings.epoch_s,
        "compiled": _COMPILED,
        # Of a wheel, what is compiled depends on its contents alone.
        "packages": {one.name: " ".join(one.hashes) if one.is_wheel else "" for one in packages},
        # Nobody asked for these by the URL that they are fetched from.
        "of_index": [one.name for one in packages if one.url],
    }
    files = llb.scratch().file(
        *inside.program_files(_PROGRAM, order),
        llb.mkfile(f"/{_LIST}", lines.encode(), mode=0o644),
        name=context.name(stage, "write what it holds"),
    )
    return run(
        context,
        state,
        inside.command(context.probe.python, _DIR, _PROGRAM),
        name=context.name(stage, f"install {_titles(packages)}"),
        env={**uv.ENV, "PYTHONHASHSEED": "0"},
        mounts=[
            *uv_mounts,
            *uv.working_mounts(context),
            *mounts,
            llb.Bind(_DIR, source=files, readonly=True),
            llb.Tmpfs("/tmp"),  # noqa: S108 - in the step; uv leaves a lock file there
        ],
        is_settled=True,
    )


def _titles(packages: Sequence[LockedPackage]) -> str:
    titles = [package.title for package in packages]
    more = len(titles) - _SHOWN
    return ", ".join([*titles[:_SHOWN], *([f"{more} more"] if more > 0 else [])])
