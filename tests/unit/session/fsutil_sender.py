"""A sender of fsutil's protocol in this process: it sends what a test wants, true or not."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from buildkit_spec._pb.fsutil import Packet, Stat
from buildkit_spec.session._modes import go_mode


@dataclass
class Entry:
    """What a STAT says, and what is sent when the contents are asked for."""

    path: str
    mode: int = stat.S_IFREG | 0o644
    data: bytes = b""
    link: str = ""
    time_ns: int = 1_700_000_000_123_456_789
    size_bytes: int | None = None

    def packet(self) -> Packet:
        size = len(self.data) if self.size_bytes is None else self.size_bytes
        return Packet(
            type=Packet.PACKET_STAT,
            stat=Stat(
                path=self.path,
                mode=go_mode(self.mode),
                size=size,
                modTime=self.time_ns,
                linkname=self.link,
            ),
        )


@dataclass
class Sender:
    """One call, as `ReceivedDirectory.receive` sees it: the other side of it is here too.

    So many packets are `gathered` at a time; `times` says how often it was answered.
    """

    entries: Sequence[Entry]
    is_cut_off: bool = False
    extra: Sequence[Packet] = ()
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_cancelled: bool = False
    gathered: int = 1
    said: list[Packet] = field(default_factory=list)
    times: int = 0
    _todo: deque[Packet] = field(default_factory=deque)

    def gathered_as(self, kind: Any) -> Iterator[Any]:
        assert kind is Packet
        told = [entry.packet() for entry in self.entries] + list(self.extra)
        if not self.is_cut_off:
            told.append(Packet(type=Packet.PACKET_STAT))
        for start in range(0, len(told), self.gathered):
            yield told[start : start + self.gathered]
            while self._todo:
                asked = self._asked()
                while together := list(islice(asked, self.gathered)):
                    yield together

    def messages(self) -> Iterator[Any]:
        raise AssertionError

    arrived = messages

    def send(self, message: Packet, *, has_more: bool = False) -> None:
        self._put([message])

    def send_all(self, payloads: Iterable[bytes]) -> None:
        self._put([Packet.FromString(payload) for payload in payloads])

    def _put(self, messages: Sequence[Packet]) -> None:
        self.times += 1
        self.said += messages
        self._todo += messages

    def _asked(self) -> Iterator[Packet]:
        while self._todo:
            packet = self._todo.popleft()
            if packet.type == Packet.PACKET_FIN:
                yield packet
            elif packet.type == Packet.PACKET_REQ:
                data = self.entries[packet.ID].data
                for start in range(0, len(data), 7):  # in pieces
                    piece = data[start : start + 7]
                    yield Packet(type=Packet.PACKET_DATA, ID=packet.ID, data=piece)
                yield Packet(type=Packet.PACKET_DATA, ID=packet.ID)
