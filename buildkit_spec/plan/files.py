"""Files from this machine: what ``copy`` names and the source root."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import ImageSpec

SOURCE = "source"
COPY = "copy"
"""Names of the two local sources; separate, so that neither leaks into the other."""


def only_file(spec: ImageSpec) -> str:
    """Return the path that ``copy`` names when it is one file, else an empty text."""
    selection = spec.copy_selection()
    found = selection.files() if selection else []
    is_one = len(found) == 1 and found[0].kind == "file" and spec.copy == (found[0].path,)
    return found[0].path if is_one else ""


def copy_tree(
    context: Context,
    state: llb.State,
    local_name: str,
    destination: str,
    *,
    owner: str,
    one: str = "",
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
        one: Path of the only file: then *destination* may also be what it is to be called.
    """
    what = "source" if local_name == SOURCE else "files"
    tree = llb.local(
        f"{context.prefix}{local_name}",
        shared_key_hint=f"buildkit-spec-{context.spec.name}-{local_name}",
        name=context.name(local_name, f"send {what}"),
    )
    target = destination
    if not one and destination.rstrip("/").count("/") > 1:
        # The folder it is made in would keep the time of the build: only what is copied onto is
        # set to the epoch. So that folder is copied too. Source: fsutil, ``copy/copy.go``.
        layout = llb.scratch().file(
            llb.copy(tree, "/", destination, contents_only=True, create_dest_path=True),
            name=f"[internal] {context.name(local_name, f'lay out {what}')}",
        )
        tree, target = layout, "/"
    return state.file(
        llb.copy(
            tree,
            f"/{one}",
            target,
            contents_only=not one,
            create_dest_path=True,
            chown=llb.Chown(owner) if owner else None,
            timestamp_s=context.settings.epoch_s,
        ),
        name=context.name(local_name, f"copy {what} to {destination}"),
    )
