"""Two network namespaces with one cable between them, and nothing else: two machines.

Each lives as long as a program that waits for the end of its input, so that nothing stays behind
when the tests are killed: no name, no mount, and no interface of this machine's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

CLIENT, DAEMON = "192.0.2.2", "192.0.2.1"

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000
_ALL_PROTOCOLS = 3


@dataclass(frozen=True)
class Namespace:
    """A network namespace.

    Attributes:
        pid: Of the program that keeps it.
    """

    pid: int

    def command(self, *words: str) -> list[str]:
        """Return a command as it is run inside."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words]

    def run(self, *words: str) -> str:
        """Run a command inside; return what it says."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def listen(self, address: str, port: int) -> socket.socket:
        """Open a port inside, for this process."""
        return self._call(lambda: socket.create_server((address, port)))

    def sniff(self) -> socket.socket:
        """Open a socket that gets every frame on every interface inside."""
        kind = socket.SOCK_RAW
        return self._call(
            lambda: socket.socket(socket.AF_PACKET, kind, socket.htons(_ALL_PROTOCOLS))
        )

    def _call(self, make: Callable[[], _T]) -> _T:
        # A thread can be in another namespace than its process; a socket stays where it was made.
        made: list[_T] = []

        def enter_and_make() -> None:
            with Path(f"/proc/{self.pid}/ns/net").open() as file:
                library = ctypes.CDLL(None, use_errno=True)
                if library.setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(make())

        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        return made[0]


@contextlib.contextmanager
def client_and_daemon() -> Iterator[tuple[Namespace, Namespace]]:
    """Make both, connected; addresses are CLIENT and DAEMON. There is no other route."""
    check_rights()
    with _namespace() as client, _namespace() as daemon:
        peer = ["peer", "name", "cable", "netns", str(client.pid)]
        daemon.run("ip", "link", "add", "cable", "type", "veth", *peer)
        for side, address in ((client, CLIENT), (daemon, DAEMON)):
            side.run("ip", "addr", "add", f"{address}/24", "dev", "cable")
            side.run("ip", "link", "set", "cable", "up")
            side.run("ip", "link", "set", "lo", "up")
        yield client, daemon


def check_rights() -> None:
    """See that namespaces can be made here, and say what lacks if not."""
    for program, package in (
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("ip", "iproute2"),
    ):
        assert shutil.which(program), f"the tests need {program}: apt-get install {package}"
    script = "ip link add probe0 type veth peer name probe1 && mount -t tmpfs tmpfs /mnt"
    command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (
        "the tests need the right to make network and mount namespaces (CAP_SYS_ADMIN and "
        f"CAP_NET_ADMIN; in a container: --privileged): {done.stderr.strip()}"
    )


@contextlib.contextmanager
def _namespace() -> Iterator[Namespace]:
    command = ["unshare", "--net", "sh", "-c", "echo ready; exec cat"]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert keeper.stdin
    assert keeper.stdout
    try:
        assert keeper.stdout.readline() == b"ready\n"
        yield Namespace(keeper.pid)
    finally:
        keeper.stdin.close()
        keeper.stdout.close()
        keeper.wait()


def processes_in(number: int) -> list[int]:
    """Return the processes of a network namespace, by its inode."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "ns" / "net").stat().st_ino == number:
                found.append(int(folder.name))
    return found


class Sniffer:
    """Collects all frames that a namespace sends and gets; a context manager."""

    def __init__(self, namespace: Namespace) -> None:
        self.frames: list[bytes] = []
        self._socket = namespace.sniff()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.settimeout(0.1)
        self._is_done = False
        self._thread = threading.Thread(target=self._collect)

    def __enter__(self) -> Sniffer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done = True
        self._thread.join()
        self._socket.close()

    def ports(self) -> set[tuple[int, int]]:
        """Return the ports of all TCP segments, smaller first; 0 for any other thing over IPv4."""
        found = set()
        for frame in self.frames:
            if frame[12:14] == b"\x08\x00":
                at = 14 + 4 * (frame[14] & 15)
                ends = [int.from_bytes(frame[at + n : at + n + 2], "big") for n in (0, 2)]
                is_tcp = frame[23] == socket.IPPROTO_TCP
                found.add((min(ends), max(ends)) if is_tcp else (0, 0))
        return found

    def _collect(self) -> None:
        while True:
            try:
                self.frames.append(self._socket.recv(1 << 18))
            except TimeoutError:
                if self._is_done:
                    return


def hidden(*words: str, hosts: Path, folder: Path) -> list[str]:
    """Return a command that sees other names in /etc/hosts, and nothing in a folder."""
    script = 'mount --bind "$0" /etc/hosts; mount -t tmpfs tmpfs "$1"; shift; exec "$@"'
    unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    return [*unshared, os.fspath(hosts), os.fspath(folder), *words]
