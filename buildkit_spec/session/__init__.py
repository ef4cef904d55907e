"""What we serve back to the daemon: files, logins, secrets, health."""

from __future__ import annotations

from buildkit_spec.session._call import Attachable, Call, Handler, StatusError
from buildkit_spec.session._session import Session
from buildkit_spec.session.files import FileSync, SharedDir
from buildkit_spec.session.health import Health

__all__ = [
    "Attachable",
    "Call",
    "FileSync",
    "Handler",
    "Health",
    "Session",
    "SharedDir",
    "StatusError",
]
