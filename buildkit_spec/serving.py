"""What one build's session serves: the files and secrets of its spec, this machine's logins."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildkit_spec.host import uv_directory
from buildkit_spec.plan import Served
from buildkit_spec.plan.uv import local_name
from buildkit_spec.registry import Logins
from buildkit_spec.session import (
    Attachable,
    Auth,
    FileSync,
    Health,
    Secrets,
    Session,
    SharedDir,
    SSHForward,
)
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.selection import MODE_MASK
from buildkit_spec.values import Platform
from buildkit_spec.values.user import home_directory


def session_of(
    spec: ImageSpec,
    served: Served,
    platforms: Sequence[Platform],
    logins: Logins,
    env: Mapping[str, str],
    more: Iterable[Attachable] = (),
) -> Session:
    """Return the session of a build, not open yet.

    Args:
        spec: What is built.
        served: What its plan needs.
        platforms: What it is built for.
        logins: This machine's registry logins.
        env: The environment, which says where the ssh agent is.
        more: What takes results and caches.

    Raises:
        BuildkitSpecError: `uv` cannot be had for one of the platforms.
    """
    attachables: list[Attachable] = [
        Auth(logins),
        FileSync(_directories(served, platforms, env)),
        Health(),
        Secrets(served.secrets),
        *more,
    ]
    if served.has_ssh:
        attachables.append(SSHForward({"default": env.get("SSH_AUTH_SOCK", "")}))
    roots = [selection.root for selection in served.directories.values()]
    return Session(attachables, name=spec.name, shared_key=_shared_key(roots))


def _directories(
    served: Served, platforms: Sequence[Platform], env: Mapping[str, str]
) -> dict[str, SharedDir]:
    shared = {
        name: SharedDir(
            selection.root,
            mode_mask=MODE_MASK,
            listing=selection.found,
        )
        for name, selection in served.directories.items()
    }
    if served.uv_version:
        for platform in platforms:
            shared[local_name(platform)] = SharedDir(uv_directory(served.uv_version, platform, env))
    return shared


def _shared_key(roots: Iterable[Path]) -> str:
    """Return a key that is the same for every build of the same folders of this user here.

    The daemon keeps the last transfer of each local source under it, and asks only for what has
    another size or time since. So two folders must never share a key: files of the same size and
    time are common where times are set, as in archives and checkouts of a commit's date.
    Source: ``source/local/source.go``.
    """
    place = "\0".join([socket.gethostname(), str(home_directory()), *map(str, roots)])
    return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()
