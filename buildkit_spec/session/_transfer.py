"""`Transfer`: one directory on its way to the daemon.

The protocol is fsutil's (``send.go``): a STAT packet for each entry, in order; the daemon asks for
the contents of those it does not have.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import islice

from buildkit_spec._pb.fsutil import Packet
from buildkit_spec.errors import SessionError
from buildkit_spec.session._call import INTERNAL, Call, StatusError
from buildkit_spec.session._framing import varint
from buildkit_spec.session._modes import go_mode
from buildkit_spec.session._walk import Tree
from buildkit_spec.values.entry import Entry

_DATA = varint(Packet.DESCRIPTOR.fields_by_name["data"].number << 3 | 2)
_CHUNK_BYTES = 256 << 10
_TOGETHER_BYTES = 64 << 10
_TOGETHER_ENTRIES = 512  # their packets make some 40 KiB


class Transfer:
    """Answers one call with what a directory holds.

    Args:
        call: The call.
        tree: The directory.
        mode_mask: See `SharedDir.mode_mask`.
    """

    def __init__(self, call: Call[Packet, Packet], tree: Tree, mode_mask: int) -> None:
        self._call = call
        self._tree = tree
        self._mode_mask = mode_mask
        self._files: dict[int, Entry] = {}
        self._waiting: list[bytes] = []  # to be sent together
        self._waiting_bytes = 0

    def run(self, entries: Iterable[Entry]) -> None:
        """Send what is asked for, until the daemon has all it wants.

        What it asks for is sent between the entries: it need not wait until all are listed.

        Args:
            entries: What the daemon is told of, in the protocol's order.

        Raises:
            SessionError: Something cannot be read or named, or the daemon asks for what it may not.
            FileChangedError: An entry is not what was found any more.
            StatusError: The daemon met an error.
            CallCancelledError: It has given up.
        """
        packets = self._stats(entries)
        while together := list(islice(packets, _TOGETHER_ENTRIES)):
            self._call.send_all(together)
            self._answer_all(self._call.arrived())
        self._call.send(Packet(type=Packet.PACKET_STAT), has_more=True)
        for requests in self._call.batches():
            if self._answer_all(requests):
                return
        raise SessionError("the daemon broke off while files were being sent")

    def _stats(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        packet = Packet(type=Packet.PACKET_STAT)
        packet.stat.SetInParent()
        message, serialized = packet.stat, packet.SerializeToString  # one for all: made in no time
        files, mask = self._files, self._mode_mask
        for index, entry in enumerate(entries):
            is_file = stat.S_ISREG(entry.mode)
            if is_file:
                files[index] = entry
            try:
                message.path = entry.path
                message.linkname = entry.link
            except (UnicodeEncodeError, ValueError) as error:
                raise SessionError(
                    f"cannot send {os.fsencode(entry.path)!r}: its name or link is not UTF-8",
                    remedy="rename it, or leave it out",
                ) from error
            message.mode = go_mode(entry.mode, mask)
            message.size = 0 if stat.S_ISDIR(entry.mode) else entry.size_bytes
            message.modTime = entry.mtime_ns if entry.stamp_ns is None else entry.stamp_ns
            is_device = not is_file and stat.S_IFMT(entry.mode) in (stat.S_IFBLK, stat.S_IFCHR)
            message.devmajor = os.major(entry.device) if is_device else 0
            message.devminor = os.minor(entry.device) if is_device else 0
            yield serialized()

    def _answer_all(self, requests: Iterable[Packet]) -> bool:
        """Answer packets; return whether the last was among them."""
        try:
            return any(map(self._answer, requests))
        finally:
            self._flush()  # also what came before something went wrong

    def _answer(self, request: Packet) -> bool:
        """Answer one packet; return whether it was the last."""
        if request.type == Packet.PACKET_REQ:
            entry = self._files.pop(request.ID, None)
            if entry is None:
                raise SessionError(f"the daemon asked for file {request.ID}, which it may not have")
            end = Packet(type=Packet.PACKET_DATA, ID=request.ID).SerializeToString()
            for data in self._tree.chunks(entry, _CHUNK_BYTES):
                # As the library would, which copies the data twice.
                self._put(b"".join((end, _DATA, varint(len(data)), data)))
            self._put(end)
        elif request.type == Packet.PACKET_ERR:
            text = request.data.decode(errors="replace")
            raise StatusError(INTERNAL, f"error from receiver: {text}")
        elif request.type == Packet.PACKET_FIN:
            self._flush()
            self._call.send(Packet(type=Packet.PACKET_FIN))
            return True
        return False

    def _put(self, payload: bytes) -> None:
        self._waiting.append(payload)
        self._waiting_bytes += len(payload)
        if self._waiting_bytes >= _TOGETHER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._call.send_all(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
