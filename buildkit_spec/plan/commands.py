"""The user's own commands: one vertex each."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.steps import Context, run

_NAME_LENGTH = 80


def run_command(context: Context, state: llb.State, index: int) -> llb.State:
    """Run the spec's command number *index* with the image's environment and the user's.

    The spec's secrets are mounted at ``/run/secrets/<id>``, its ssh agent where ``SSH_AUTH_SOCK``
    says: in this step only.
    """
    spec = context.spec
    command = (spec.commands or ())[index]
    options = spec.builder_options
    mounts: list[llb.Mount] = [
        llb.Secret(f"/run/secrets/{name}", id=f"{context.prefix}{name}")
        for name in sorted(options.secrets)
    ]
    if options.ssh:
        mounts.append(llb.SSH(id="default"))
    line = " ".join(command.split())
    short = line if len(line) <= _NAME_LENGTH else line[: _NAME_LENGTH - 1] + "…"
    return run(
        context,
        state,
        ["/bin/sh", "-c", command],
        name=context.name(f"commands[{index}]", short),
        env={**context.config.env, **dict(sorted((spec.env or {}).items()))},
        mounts=mounts,
    )
