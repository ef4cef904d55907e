"""The user's own commands: one vertex each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildkit_spec import llb
from buildkit_spec.plan import flyte
from buildkit_spec.plan.steps import Context, run

_NAME_LENGTH = 80


def run_command(context: Context, state: llb.State, index: int) -> llb.State:
    """Run the spec's command number *index*.

    It sees the base image's environment, what the spec says of the build's, and those variables of
    the image that it names: changing any other does not run it again. The spec's secrets are
    mounted at ``/run/secrets/<id>``, its ssh agent where ``SSH_AUTH_SOCK`` says: in this step only.
    """
    spec = context.spec
    command = (spec.commands or ())[index]
    options = spec.builder_options
    mounts: list[llb.Mount] = [
        llb.Secret(f"/run/secrets/{name}", id=f"{context.prefix}{name}")
        for name in sorted(options.secrets)
    ]
    mounts += [
        llb.CacheMount(target, id=f"buildkit-spec-commands-{id}")
        for target, id in sorted(options.cache_mounts.items())
    ]
    if options.ssh:
        mounts.append(llb.SSH(id="default"))
    tool_env, tool_mounts = flyte.tools(context, command)
    mounts += tool_mounts
    line = " ".join(command.split())
    short = line if len(line) <= _NAME_LENGTH else line[: _NAME_LENGTH - 1] + "…"
    return run(
        context,
        state,
        ["/bin/sh", "-c", command],
        name=context.name(f"commands[{index}]", short),
        env={
            **context.config.env,
            **options.build_env,
            **_mentioned(command, spec.env or {}),
            **tool_env,
        },
        mounts=mounts,
        cwd=options.run_in or "/",
    )


def _mentioned(command: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command's text names, by name."""
    return {
        name: env[name]
        for name in sorted(env)
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", command)
    }
