"""What we serve back to the daemon: files, logins, secrets, health."""

from __future__ import annotations

from buildkit_spec.session._call import Attachable, Call, Handler, StatusError
from buildkit_spec.session._session import Session
from buildkit_spec.session.archive import ArchiveFile
from buildkit_spec.session.auth import Auth, Logins
from buildkit_spec.session.blobs import BlobStore
from buildkit_spec.session.content import ContentStores
from buildkit_spec.session.files import FileSync, SharedDir
from buildkit_spec.session.filesend import FileSend
from buildkit_spec.session.health import Health
from buildkit_spec.session.receive import ReceivedDirectory
from buildkit_spec.session.secrets import Secrets
from buildkit_spec.session.ssh import SSHForward

__all__ = [
    "ArchiveFile",
    "Attachable",
    "Auth",
    "BlobStore",
    "Call",
    "ContentStores",
    "FileSend",
    "FileSync",
    "Handler",
    "Health",
    "Logins",
    "ReceivedDirectory",
    "SSHForward",
    "Secrets",
    "Session",
    "SharedDir",
    "StatusError",
]
