"""Sources on the web: git repositories and single files.

Source: ``client/llb/source.go``, ``util/gitutil/git_url.go``.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import _paths, constants
from buildkit_spec.llb._source import make_source
from buildkit_spec.llb.meta import Meta, make_meta
from buildkit_spec.llb.state import State
from buildkit_spec.values import Digest

_SCHEME = re.compile(r"^[A-Za-z0-9]+://")
_SCP = re.compile(r"^(?P<user>[A-Za-z0-9_-]+)@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^?#]*)$")
_GIT_SCHEMES = {"http", "https", "ssh", "git"}


def git(
    remote: str,
    *,
    ref: str = "",
    subdir: str = "",
    checksum: str = "",
    keep_git_dir: bool = False,
    skip_submodules: bool = False,
    auth_token_secret: str | None = None,
    auth_header_secret: str | None = None,
    mount_ssh_sock: str = "default",
    known_ssh_hosts: str = "",
    name: str = "",
    meta: Meta | None = None,
) -> State:
    """Return a checkout of a git repository.

    Args:
        remote: ``https://…``, ``ssh://…``, ``git://…``, ``http://…``, ``user@host:path``; without
            a scheme it is https.
        ref: Branch, tag or commit; empty is the default branch.
        subdir: Directory of the repository; empty is all of it.
        checksum: Commit that *ref* must be; hex, may be shortened.
        keep_git_dir: Whether ``.git`` is there.
        skip_submodules: Whether submodules are left out.
        auth_token_secret: Id of the secret with the token for http; None is ``GIT_AUTH_TOKEN`` if
            the session has it, empty is none.
        auth_header_secret: Id of the secret with the ``Authorization`` header for http; None is
            ``GIT_AUTH_HEADER`` if the session has it, empty is none.
        mount_ssh_sock: Id of the ssh agent for ssh.
        known_ssh_hosts: Lines of ``known_hosts`` for ssh. Go's client scans the host when there
            are none; here a daemon then knows no host.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.

    Raises:
        InvalidVertexError: *remote* has another form, or holds a password.
    """
    url, scheme, host, path = _split_remote(remote)
    directory = _paths.clean(f"/{subdir}").lstrip("/")
    identifier = host + _paths.clean(f"/{path}")
    if ref or directory:
        identifier += f"#{ref}" + (f":{directory}" if directory else "")
    is_auth_told = auth_token_secret is not None or auth_header_secret is not None
    token = constants.DEFAULT_GIT_AUTH_TOKEN if auth_token_secret is None else auth_token_secret
    header = constants.DEFAULT_GIT_AUTH_HEADER if auth_header_secret is None else auth_header_secret
    attrs = {
        constants.ATTR_GIT_FULL_URL: url,
        constants.ATTR_GIT_AUTH_TOKEN_SECRET: token,
        constants.ATTR_GIT_AUTH_HEADER_SECRET: header,
        constants.ATTR_GIT_CHECKSUM: checksum,
    }
    caps = {constants.CAP_SOURCE_GIT, constants.CAP_SOURCE_GIT_FULL_URL}
    if is_auth_told and (token or header):
        caps.add(constants.CAP_SOURCE_GIT_HTTP_AUTH)
    if checksum:
        caps.add(constants.CAP_SOURCE_GIT_CHECKSUM)
    if keep_git_dir:
        attrs[constants.ATTR_GIT_KEEP_DIR] = "true"
        caps.add(constants.CAP_SOURCE_GIT_KEEP_DIR)
    if skip_submodules:
        attrs[constants.ATTR_GIT_SKIP_SUBMODULES] = "true"
        caps.add(constants.CAP_SOURCE_GIT_SKIP_SUBMODULES)
    if scheme == "ssh":
        attrs[constants.ATTR_GIT_MOUNT_SSH_SOCK] = mount_ssh_sock
        caps |= {constants.CAP_SOURCE_GIT_MOUNT_SSH_SOCK, constants.CAP_SOURCE_GIT_KNOWN_SSH_HOSTS}
        if known_ssh_hosts:
            attrs[constants.ATTR_GIT_KNOWN_SSH_HOSTS] = known_ssh_hosts.removesuffix("\n") + "\n"
    return make_source(f"git://{identifier}", attrs, caps, make_meta(name, meta))


def http(
    url: str,
    *,
    checksum: Digest | None = None,
    filename: str = "",
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    auth_header_secret: str = "",
    accept: str = "",
    user_agent: str = "",
    name: str = "",
    meta: Meta | None = None,
) -> State:
    """Return a file system with one file from the web.

    Args:
        url: ``http://`` or ``https://``.
        checksum: Digest the file must have; without it the daemon asks the server every time.
        filename: What the file is called; empty is what server and URL say.
        mode: Permissions; 0 leaves them to the daemon.
        uid: Owner.
        gid: Group.
        auth_header_secret: Id of the secret with the ``Authorization`` header; empty is none.
        accept: ``Accept`` header; empty leaves it to the daemon.
        user_agent: ``User-Agent`` header; empty leaves it to the daemon.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.

    Raises:
        InvalidVertexError: *url* has another scheme or holds a password, or *mode* is not 0 to
            0o777.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidVertexError("http source: the URL must begin with http:// or https://")
    _refuse_password("http source", url)
    if not 0 <= mode <= 0o777:
        raise InvalidVertexError(f"http source: mode {mode:#o} is not 0 to 0o777")
    caps = {constants.CAP_SOURCE_HTTP}
    if checksum is not None:
        caps.add(constants.CAP_SOURCE_HTTP_CHECKSUM)
    if mode:
        caps.add(constants.CAP_SOURCE_HTTP_PERM)
    if uid or gid:
        caps.add(constants.CAP_SOURCE_HTTP_UID_GID)
    if auth_header_secret:
        caps.add(constants.CAP_SOURCE_HTTP_AUTH)
    if accept or user_agent:
        caps.add(constants.CAP_SOURCE_HTTP_HEADER)
    attrs = {
        constants.ATTR_HTTP_CHECKSUM: str(checksum or ""),
        constants.ATTR_HTTP_FILENAME: filename,
        constants.ATTR_HTTP_PERM: f"0{mode:o}" if mode else "",
        constants.ATTR_HTTP_UID: str(uid or ""),
        constants.ATTR_HTTP_GID: str(gid or ""),
        constants.ATTR_HTTP_AUTH_HEADER_SECRET: auth_header_secret,
        constants.ATTR_HTTP_ACCEPT: accept,
        constants.ATTR_HTTP_USER_AGENT: user_agent,
    }
    return make_source(url, attrs, caps, make_meta(name, meta))


def _split_remote(remote: str) -> tuple[str, str, str, str]:
    """Return URL, scheme, host with port, and path of a git remote."""
    scp = _SCP.match(remote)
    if scp and not _SCHEME.match(remote):
        return remote, "ssh", scp["host"], scp["path"]
    url = remote if _SCHEME.match(remote) else f"https://{remote}"
    _refuse_password("git source", url)
    parts = urlsplit(url)
    if parts.scheme not in _GIT_SCHEMES or not parts.netloc:
        raise InvalidVertexError(
            "git source: the remote must be a URL of scheme https, ssh, git or http, "
            "or user@host:path"
        )
    if parts.query or parts.fragment:
        raise InvalidVertexError(
            "git source: the remote has a query or a fragment",
            remedy="give what stands behind '#' as ref= and subdir=",
        )
    return url, parts.scheme, parts.netloc.rpartition("@")[2], parts.path


def _refuse_password(what: str, url: str) -> None:
    """Keep passwords out of the graph: it is logged, cached and attested."""
    try:
        password = urlsplit(url).password
    except ValueError as error:
        raise InvalidVertexError(f"{what}: the URL cannot be read") from error
    if password:
        raise InvalidVertexError(
            f"{what}: the URL holds a password",
            remedy="serve it as a secret and name it in auth_header_secret=",
        )
