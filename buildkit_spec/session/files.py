"""`FileSync`: sends shared directories to the daemon, which asks for them by name.

The protocol is fsutil's (``send.go``): a STAT packet for each entry, in order; the daemon asks for
the contents of those it does not have.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from buildkit_spec._pb import filesync
from buildkit_spec._pb._method import Method
from buildkit_spec._pb.fsutil import Packet, Stat
from buildkit_spec.errors import BuildkitSpecError, SessionError
from buildkit_spec.session._call import (
    INTERNAL,
    NOT_FOUND,
    Call,
    CallCancelledError,
    Handler,
    StatusError,
)
from buildkit_spec.session._modes import go_mode
from buildkit_spec.session._selection import selection
from buildkit_spec.session._walk import Choice, Choose, Entry, Tree, check_same

_CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class SharedDir:
    """A directory that the daemon may read.

    Attributes:
        root: The directory.
        accepts: Asked about each entry, by its path from the root with ``/`` and whether it is a
            directory; what it refuses is not sent, nor entered. None accepts everything. Called
            from a thread of the session's.
        mode_mask: Permission bits that are sent, symlinks' aside; the others are cleared.
        stamp_ns: Returns what is sent as an entry's time, by its path and its ``lstat``, in
            nanoseconds. The daemon does not ask for a file whose size and time it has seen. None
            sends the real one.
    """

    root: Path
    accepts: Callable[[str, bool], bool] | None = None
    mode_mask: int = 0o7777
    stamp_ns: Callable[[str, os.stat_result], int] | None = None


class FileSync:
    """Answers ``moby.filesync.v1.FileSync/DiffCopy``.

    Args:
        directories: What is shared, by the name of its ``local`` source.
    """

    def __init__(self, directories: Mapping[str, SharedDir]) -> None:
        self._directories = dict(directories)

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {filesync.FileSync.DiffCopy: self._diff_copy}

    def _diff_copy(self, call: Call[Packet, Packet]) -> None:
        name = next(iter(_values(call.metadata, "dir-name")), "")
        shared = self._directories.get(name)
        if shared is None:
            raise StatusError(NOT_FOUND, f"no directory {name!r} is shared")
        try:
            with Tree(shared.root) as tree:
                choose = selection(
                    tree,
                    shared.accepts,
                    includes=_values(call.metadata, "include-patterns"),
                    excludes=_values(call.metadata, "exclude-patterns"),
                    follow=_values(call.metadata, "followpaths"),
                )
                _Transfer(call, tree, choose, shared).run()
        except BuildkitSpecError as error:
            # What the daemon shows; the status of the call comes too late for it.
            data = error.message.encode(errors="replace")
            call.send(Packet(type=Packet.PACKET_ERR, data=data))
            raise


class _Transfer:
    """One directory on its way."""

    def __init__(
        self, call: Call[Packet, Packet], tree: Tree, choose: Choose, shared: SharedDir
    ) -> None:
        self._call = call
        self._tree = tree
        self._choose = choose
        self._mode_mask = shared.mode_mask
        self._stamp_ns = shared.stamp_ns
        self._files: dict[int, Entry] = {}

    def run(self) -> None:
        """Send what is asked for, until the daemon has all it wants.

        What it asks for is sent between the entries: it need not wait until all are listed.
        """
        with contextlib.closing(self._tree.walk(self._choice)) as entries:
            for index, entry in enumerate(entries):
                if stat.S_ISREG(entry.status.st_mode):
                    self._files[index] = entry
                packet = Packet(type=Packet.PACKET_STAT, stat=self._stat(entry))
                self._call.send(packet, has_more=True)
                for request in self._call.arrived():
                    self._answer(request)
        self._call.send(Packet(type=Packet.PACKET_STAT), has_more=True)
        for request in self._call.messages():
            if self._answer(request):
                return
        raise SessionError("the daemon broke off while files were being sent")

    def _choice(self, path: str, is_dir: bool, memory: object) -> Choice:
        if self._call.is_cancelled:  # a walk that finds nothing to send would not see it
            raise CallCancelledError
        return self._choose(path, is_dir, memory)

    def _answer(self, request: Packet) -> bool:
        """Answer one packet; return whether it was the last."""
        if request.type == Packet.PACKET_REQ:
            entry = self._files.pop(request.ID, None)
            if entry is None:
                raise SessionError(f"the daemon asked for file {request.ID}, which it may not have")
            self._send_file(request.ID, entry)
        elif request.type == Packet.PACKET_ERR:
            text = request.data.decode(errors="replace")
            raise StatusError(INTERNAL, f"error from receiver: {text}")
        elif request.type == Packet.PACKET_FIN:
            self._call.send(Packet(type=Packet.PACKET_FIN))
            return True
        return False

    def _send_file(self, index: int, entry: Entry) -> None:
        descriptor = self._tree.open(entry)
        try:
            left = entry.status.st_size
            while left > 0:
                data = self._tree.read(entry, descriptor, min(left, _CHUNK_BYTES))
                if not data:
                    break  # shorter than it was: told below
                left -= len(data)
                packet = Packet(type=Packet.PACKET_DATA, ID=index, data=data)
                self._call.send(packet, has_more=True)
            check_same(entry, descriptor)
        finally:
            os.close(descriptor)
        self._call.send(Packet(type=Packet.PACKET_DATA, ID=index), has_more=True)

    def _stat(self, entry: Entry) -> Stat:
        status = entry.status
        kind = stat.S_IFMT(status.st_mode)
        try:
            message = Stat(
                path=entry.path,
                mode=go_mode(status.st_mode, self._mode_mask),
                size=0 if kind == stat.S_IFDIR else status.st_size,
                modTime=self._stamp_ns(entry.path, status)
                if self._stamp_ns
                else status.st_mtime_ns,
                linkname=entry.link,
            )
        except (UnicodeEncodeError, ValueError) as error:
            raise SessionError(
                f"cannot send {os.fsencode(entry.path)!r}: its name or link is not UTF-8",
                remedy="rename it, or leave it out",
            ) from error
        if kind in (stat.S_IFBLK, stat.S_IFCHR):
            message.devmajor = os.major(status.st_rdev)
            message.devminor = os.minor(status.st_rdev)
        return message


def _values(metadata: Mapping[str, tuple[str, ...]], key: str) -> tuple[str, ...]:
    """Return a key's values. Source: ``session/filesync/filesync.go``, ``decodeOpts``."""
    values = metadata.get(key, ())
    if metadata.get(f"{key}-encoded", ("",))[0].lower() in ("1", "t", "true"):
        return tuple(unquote_plus(value) for value in values)
    return values
