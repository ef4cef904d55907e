"""A real OpenSSH server on loopback, and the `ssh` that knows its key.

The server is the machine's, or Debian's package of its release, unpacked privately. It runs in a
mount namespace of its own, where it finds the user and the folder that its package would have made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from failing import wait_until
from far_program import write_far_program

USER = "ada"

_SHELL_IN_NAMESPACE = """\
set -e
mount --bind {home}/passwd /etc/passwd
mount --bind {home}/shadow /etc/shadow
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
exec {sshd} -D -e -f {home}/sshd_config
"""

_SSHD_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PermitRootLogin prohibit-password
SetEnv PATH={home}/far:{python}:/usr/bin:/bin
"""

_SSH_CONFIG = """\
IdentityFile {home}/user_key
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {home}/known_hosts
GlobalKnownHostsFile none
"""


@dataclass(frozen=True)
class SshServer:
    """A server that is up.

    Attributes:
        home: Its keys and configuration; ``near`` has the `ssh` to use, ``far`` the programs that
            a session finds.
        port: Where it listens on 127.0.0.1.
    """

    home: Path
    port: int

    @property
    def host(self) -> str:
        """User, host and port, as in an address."""
        return f"{USER}@127.0.0.1:{self.port}"


@contextlib.contextmanager
def running_server(home: Path, engine_socket: str) -> Iterator[SshServer]:
    """Start a server whose sessions find `buildctl` and `docker` in front of an Engine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = SshServer(home, port)
    sshd = _program(home)
    _write_files(server, engine_socket, sshd)
    script = _SHELL_IN_NAMESPACE.format(home=home, sshd=sshd)
    libraries = {"LD_LIBRARY_PATH": ":".join(map(str, home.glob("package/**/lib/*-linux-gnu")))}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            env={**os.environ, **libraries},
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "the ssh server")
        assert process.poll() is None, (home / "log").read_text()
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def make_key(path: Path) -> str:
    """Make a key pair in place of what is there; return the public half."""
    path.unlink(missing_ok=True)
    options = ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(["ssh-keygen", *options], check=True)
    return path.with_name(f"{path.name}.pub").read_text()


def _write_files(server: SshServer, engine_socket: str, sshd: str) -> None:
    home = server.home
    for name in ("near", "far", "login"):
        (home / name).mkdir()
    known = make_key(home / "host_key")
    (home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {known}")
    (home / "authorized_keys").write_text(make_key(home / "user_key"))
    (home / "sshd_config").write_text(
        _SSHD_CONFIG.format(home=home, port=server.port, python=Path(sys.executable).parent)
    )
    (home / "ssh_config").write_text(_SSH_CONFIG.format(home=home))
    (home / "passwd").write_text(
        f"root:x:0:0::/root:/bin/sh\n{USER}:x:0:0::{home}/login:/bin/sh\n"
        "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    (home / "shadow").write_text(f"root:*:::::::\n{USER}:*:::::::\nsshd:*:::::::\n")
    wrapper = f'#!/bin/sh\nexec {shutil.which("ssh")} -F {home}/ssh_config "$@"\n'
    (home / "near" / "ssh").write_text(wrapper)
    (home / "near" / "ssh").chmod(0o755)
    for name in ("buildctl", "docker"):
        write_far_program(home / "far" / name, engine_socket)


def _program(home: Path) -> str:
    found = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    folder = home / "package"
    folder.mkdir()
    command = ["apt-get", "-qq", "download", "openssh-server", "libwrap0"]
    if subprocess.run(command, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return f"{folder}/usr/sbin/sshd"


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
