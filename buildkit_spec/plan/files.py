"""Files from this machine: what ``copy`` names and the source root."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.steps import Context

SOURCE = "source"
COPY = "copy"
"""Names of the two local sources; separate, so that neither leaks into the other."""


def copy_tree(
    context: Context, state: llb.State, local_name: str, destination: str, *, owner: str
) -> llb.State:
    """Copy all that is shared as *local_name* into *destination*, modes kept.

    Timestamps become the build's epoch: a fresh checkout has other ones, and they must not make
    another layer.

    Args:
        context: The platform's context.
        state: The file system to copy into.
        local_name: Name of the local source.
        destination: Absolute path of a directory; made when it is not there.
        owner: User the files belong to; empty is root.
    """
    what = "source" if local_name == SOURCE else "files"
    return state.file(
        llb.copy(
            llb.local(
                f"{context.prefix}{local_name}",
                shared_key_hint=f"buildkit-spec-{context.spec.name}-{local_name}",
                name=context.name(local_name, f"send {what}"),
            ),
            "/",
            destination,
            contents_only=True,
            create_dest_path=True,
            chown=llb.Chown(owner) if owner else None,
            timestamp_s=context.settings.epoch_s,
        ),
        name=context.name(local_name, f"copy {what} to {destination}"),
    )
