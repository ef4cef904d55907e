"""`ReceivedDirectory`: takes the tree of a ``local`` exporter, and puts it into a directory.

The protocol is fsutil's (``receive.go``), with us as the receiver: STAT packets tell of the
entries, we ask for each file's contents, DATA packets bring them, FIN ends it. What a daemon sends
is treated as hostile: see `buildkit_spec.session._staging`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildkit_spec._pb.fsutil import Packet, Stat
from buildkit_spec.errors import BuildkitSpecError, SessionError
from buildkit_spec.session._call import INTERNAL, Call, CallCancelledError, StatusError
from buildkit_spec.session._modes import unix_mode
from buildkit_spec.session._staging import Staging, unwritable

_AT_ONCE = 256
"""Files asked for and not all here: what we ask never waits for the daemon to read it."""

_FEW = _AT_ONCE // 2
"""So few of them, and others are asked for: many by one message, not one by each."""


class ReceivedDirectory:
    """A directory for the result of a ``local`` exporter.

    The tree grows beside its place, or hidden in it where there is a directory already, and
    `commit` moves it there: a build that fails changes nothing. Permissions and times are kept;
    owners are not, nor extended attributes. Devices are left out.

    Args:
        path: The directory; may be there already, and then keeps what the tree has not.

    Attributes:
        path: The directory.

    Raises:
        SessionError: It is no directory, or cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._staging = Staging(path.absolute())
        self._lock = threading.Lock()
        self._left_out: list[str] = []

    @property
    def left_out(self) -> tuple[str, ...]:
        """Paths of the devices that the tree has."""
        return tuple(self._left_out)

    def receive(self, call: Call[Any, Packet]) -> None:
        """Take a tree, or one of several: a daemon sends that of each platform by itself.

        Raises:
            SessionError: It cannot be written, or is no tree at all.
            StatusError: The daemon could not send it.
            CallCancelledError: The daemon ended the call.
        """
        try:
            with contextlib.closing(_Transfer(call, self._staging)) as transfer:
                try:
                    transfer.run()
                except OSError as error:
                    raise unwritable(self.path, error) from error
                with self._lock:
                    self._left_out += transfer.left_out
        except BuildkitSpecError as error:
            # What the daemon shows; the status of the call comes too late for it.
            data = error.message.encode(errors="replace")
            call.send(Packet(type=Packet.PACKET_ERR, data=data))
            raise

    def commit(self) -> None:
        """Put what came into its place.

        Raises:
            SessionError: It cannot be put there.
        """
        self._staging.commit()

    def discard(self) -> None:
        """Leave everything as it was; harmless when repeated, and after `commit`."""
        self._staging.discard()


@dataclass(slots=True)
class _File:
    """A file on its way.

    Attributes:
        path: Where it is in the tree.
        mode: Its permission bits.
        time_ns: Its time.
        left_bytes: How many bytes are to come.
        descriptor: Open for writing once the first came; else -1.
    """

    path: str
    mode: int
    time_ns: int
    left_bytes: int
    descriptor: int = -1


class _Transfer:
    """One tree on its way."""

    def __init__(self, call: Call[Any, Packet], staging: Staging) -> None:
        self.left_out: list[str] = []
        self._call = call
        self._staging = staging
        self._count = 0
        self._waiting: deque[tuple[int, _File]] = deque()
        self._coming: dict[int, _File] = {}
        self._is_listed = False
        self._is_finished = False

    def run(self) -> None:
        """Take packets until the daemon has sent all of it."""
        for packets in self._call.gathered_as(Packet):
            for packet in packets:
                if self._call.is_cancelled:
                    raise CallCancelledError
                if self._take(packet):
                    return
            self._ask()
        if not self._is_finished:
            raise SessionError("the daemon broke off while it sent the result")

    def close(self) -> None:
        """Close the files that are open."""
        for file in self._coming.values():
            if file.descriptor >= 0:
                os.close(file.descriptor)

    def _take(self, packet: Packet) -> bool:
        """Take a packet; return whether it was the last."""
        if packet.type == Packet.PACKET_DATA:
            self._write(packet)
        elif packet.type == Packet.PACKET_STAT:
            if packet.HasField("stat"):
                self._add(packet.stat)
            else:
                self._is_listed = True
        elif packet.type == Packet.PACKET_ERR:
            text = packet.data.decode(errors="replace")
            raise StatusError(INTERNAL, f"error from sender: {text}")
        return packet.type == Packet.PACKET_FIN and self._is_finished

    def _add(self, entry: Stat) -> None:
        index, self._count = self._count, self._count + 1
        mode = unix_mode(entry.mode)
        kind, bits = stat.S_IFMT(mode or 0), stat.S_IMODE(mode or 0)
        if kind == stat.S_IFDIR:
            self._staging.add_directory(entry.path, bits, entry.modTime)
        elif kind == stat.S_IFLNK:
            self._staging.add_link(entry.path, entry.linkname, entry.modTime)
        elif kind == stat.S_IFREG and entry.linkname:
            self._staging.add_hard_link(entry.path, entry.linkname)
        elif kind == stat.S_IFREG:
            self._staging.add_file(entry.path)
            self._waiting.append((index, _File(entry.path, bits, entry.modTime, entry.size)))
        elif kind == stat.S_IFIFO:
            self._staging.add_pipe(entry.path, bits, entry.modTime)
        else:
            # A device would open this machine's to whoever may read the directory.
            self.left_out.append(entry.path)

    def _ask(self) -> None:
        if self._waiting and len(self._coming) <= _FEW:
            requests = []
            while self._waiting and len(self._coming) < _AT_ONCE:
                index, self._coming[index] = self._waiting.popleft()
                requests.append(Packet(type=Packet.PACKET_REQ, ID=index).SerializeToString())
            self._call.send_all(requests)
        if self._is_listed and not self._coming and not self._is_finished:
            self._is_finished = True
            self._call.send(Packet(type=Packet.PACKET_FIN))

    def _write(self, packet: Packet) -> None:
        file = self._coming.get(packet.ID)
        if file is None:
            raise SessionError(f"the daemon sent file {packet.ID}, which nobody asked for")
        if file.descriptor < 0:
            file.descriptor = self._staging.open(file.path)
        if data := packet.data:
            file.left_bytes -= len(data)
            if file.left_bytes >= 0:
                _write_all(file.descriptor, data)
                return
        if file.left_bytes:
            raise SessionError(f"the daemon sent {file.path!r} with another size than it said")
        os.fchmod(file.descriptor, file.mode)
        os.utime(file.descriptor, ns=(file.time_ns, file.time_ns))
        os.close(self._coming.pop(packet.ID).descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
