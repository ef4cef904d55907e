"""fsutil's packets in any order: what a daemon may ask of us, and what it may send."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded, StreamReset, TrailersReceived
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec._pb import filesync
from buildkit_spec._pb.fsutil import Packet, Stat
from buildkit_spec.errors import SessionError
from buildkit_spec.session import FileSync, ReceivedDirectory, SharedDir, StatusError
from buildkit_spec.session._framing import MessageReader, frame_message
from buildkit_spec.session._modes import go_mode
from buildkit_spec.session._server import Server

TIMEOUT_S = 20.0

# In the order in which they are listed: those that may not be asked for are None.
CONTENTS: dict[str, bytes | None] = {
    "a": b"hello",
    "d": None,
    "d/big": bytes(range(250)) * 1200,
    "d/empty": b"",
    "link": None,
    "z": b"z",
}


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "d").mkdir()
    (folder / "link").symlink_to("a")
    for path, content in CONTENTS.items():
        if content is not None:
            (folder / path).write_bytes(content)
    return folder


class Asker:
    """A daemon that asks for a directory in packets of its own choice.

    Attributes:
        files: What came of each file, by its number.
        finished: The numbers of those that came whole.
        status: The call's gRPC status.
        failures: What the session was told.
    """

    def __init__(self, folder: Path) -> None:
        self.files: dict[int, bytes] = defaultdict(bytes)
        self.finished: list[int] = []
        self.listed: list[str] = []
        self.status = ""
        self.failures: list[Any] = []
        self._is_listed = self._is_over = False
        self._server = Server(FileSync({"src": SharedDir(folder)}).methods(), self.failures.append)
        self._peer = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._reader = MessageReader()
        self._arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._fetch, daemon=True).start()

    def _fetch(self) -> None:
        while (data := self._server.outgoing()) is not None:
            self._arrived.put(data)
        self._arrived.put(None)

    def ask(self, early: Sequence[Packet], late: Sequence[Packet]) -> None:
        """Send some packets at once, and the others when everything is listed."""
        self._peer.initiate_connection()
        names = (":method", ":scheme", ":authority", ":path", "dir-name")
        values = ("POST", "http", "x", filesync.FileSync.DiffCopy.path, "src")
        self._peer.send_headers(1, list(zip(names, values, strict=True)))
        self._send(early)
        while not self._is_listed and not self._is_over:
            self._hear()
        if not self._is_over:
            self._send(late)
            self._peer.end_stream(1)
        while not self._is_over:
            self._hear()
        self._server.close()
        while self._arrived.get(timeout=TIMEOUT_S) is not None:
            pass

    def _send(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            self._peer.send_data(1, frame_message(packet.SerializeToString()))

    def _hear(self) -> None:
        if data := self._peer.data_to_send():
            self._server.receive(data)
        data = self._arrived.get(timeout=TIMEOUT_S)
        assert data is not None
        for event in self._peer.receive_data(data):
            if isinstance(event, DataReceived):
                self._peer.acknowledge_received_data(event.flow_controlled_length, 1)
                for message in self._reader.feed(event.data):
                    self._take(Packet.FromString(message))
            elif isinstance(event, TrailersReceived):
                self.status = str(dict(event.headers or [])["grpc-status"])
            elif isinstance(event, (StreamEnded, StreamReset)):
                self._is_over = True
        if data := self._peer.data_to_send():
            self._server.receive(data)

    def _take(self, packet: Packet) -> None:
        if packet.type == Packet.PACKET_STAT and packet.HasField("stat"):
            assert not self._is_listed
            self.listed.append(packet.stat.path)
        elif packet.type == Packet.PACKET_STAT:
            self._is_listed = True
        elif packet.type == Packet.PACKET_DATA and packet.data:
            self.files[packet.ID] += packet.data
        elif packet.type == Packet.PACKET_DATA:
            self.finished.append(packet.ID)


REQUESTS = st.lists(
    st.one_of(
        st.builds(lambda number: Packet(type=Packet.PACKET_REQ, ID=number), st.integers(0, 7)),
        st.builds(
            lambda kind, number, data: Packet(type=kind, ID=number, data=data),
            st.integers(0, 4),
            st.sampled_from([0, 2, 5, (1 << 32) - 1]),
            st.binary(max_size=9),
        ),
    ),
    max_size=8,
)


def expected(packets: Sequence[Packet]) -> tuple[list[int], str, int]:
    """Files that come whole, status, and how many failures there are."""
    wanted = {index for index, content in enumerate(CONTENTS.values()) if content is not None}
    finished: list[int] = []
    for packet in packets:
        if packet.type == Packet.PACKET_REQ:
            if packet.ID not in wanted:
                return finished, "13", 1
            wanted.remove(packet.ID)
            finished.append(packet.ID)
        elif packet.type == Packet.PACKET_ERR:
            return finished, "13", 0
        elif packet.type == Packet.PACKET_FIN:
            return finished, "0", 0
    return finished, "13", 1  # broken off


@settings(max_examples=60, deadline=None)
@given(packets=REQUESTS)
def test_files_are_sent_once_each_and_only_files(folder: Path, packets: list[Packet]) -> None:
    """Whatever is asked for after the list, the answer is what the protocol says."""
    asker = Asker(folder)
    asker.ask((), packets)

    assert asker.listed == list(CONTENTS)
    finished, status, failures = expected(packets)
    assert sorted(asker.finished) == sorted(finished)
    assert asker.status == status
    assert len(asker.failures) == failures
    contents = list(CONTENTS.values())
    assert {number: asker.files[number] for number in finished} == {
        number: contents[number] for number in finished
    }


@settings(max_examples=60, deadline=None)
@given(early=REQUESTS, late=REQUESTS)
def test_what_is_asked_too_early_does_no_harm(
    folder: Path, early: list[Packet], late: list[Packet]
) -> None:
    """Packets may come while the list is made: a file is whole or not told to be, and all ends."""
    asker = Asker(folder)
    asker.ask(early, late)

    contents = list(CONTENTS.values())
    assert asker.status in {"0", "13"}
    assert all(isinstance(failure, SessionError) for failure in asker.failures)
    assert len(set(asker.finished)) == len(asker.finished)
    for number in asker.finished:
        assert asker.files[number] == contents[number]


class Said:
    """A call in which a daemon says what it likes, whatever it is told."""

    metadata: Mapping[str, tuple[str, ...]] = {}
    is_cancelled = False

    def __init__(self, packets: Sequence[Packet]) -> None:
        self._packets = packets

    def gathered_as(self, kind: Any) -> Iterator[Sequence[Any]]:
        assert kind is Packet
        yield self._packets[:1]
        yield self._packets[1:]

    def messages(self) -> Iterator[Any]:
        raise AssertionError

    arrived = messages

    def send(self, message: Packet, *, has_more: bool = False) -> None:
        pass

    def send_all(self, payloads: Iterable[bytes]) -> None:
        pass


STATS = st.builds(
    lambda path, mode, size, link: Packet(
        type=Packet.PACKET_STAT,
        stat=Stat(path=path, mode=go_mode(mode), size=size, linkname=link),
    ),
    st.sampled_from(["a", "b", "b/c", "b/c/d", "..", "../x", "/x", "", ".", "a/../b", "a\0"]),
    st.sampled_from([0o100644, 0o100000, 0o40755, 0o40000, 0o120777, 0o10644, 0o20644, 0o140644]),
    st.sampled_from([0, 1, 3, -1, 1 << 62]),
    st.sampled_from(["", "", "", "a", "..", "/etc", "b"]),
)
SAID = st.lists(
    st.one_of(
        STATS,
        STATS,
        st.just(Packet(type=Packet.PACKET_STAT)),
        st.builds(
            lambda kind, number, data: Packet(type=kind, ID=number, data=data),
            st.sampled_from([Packet.PACKET_DATA] * 5 + [Packet.PACKET_REQ, Packet.PACKET_ERR]),
            st.integers(0, 3),
            st.sampled_from([b"", b"", b"x", b"xyz"]),
        ),
        st.just(Packet(type=Packet.PACKET_FIN)),
    ),
    max_size=14,
)


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@settings(max_examples=200, deadline=None)
@given(packets=SAID)
def test_whatever_is_sent_is_taken_or_refused_and_leaves_nothing_behind(
    packets: list[Packet],
) -> None:
    """A tree in any order, with any numbers: the answer is ours, and no file is left open."""
    folder = Path(tempfile.mkdtemp())
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    directory = ReceivedDirectory(folder / "out")
    is_refused = False
    try:
        try:
            directory.receive(Said(packets))
            directory.commit()
        except (SessionError, StatusError):
            is_refused = True
        finally:
            directory.discard()

        assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
        assert not is_refused or names(folder) == set()
        assert all(name.startswith("out") for name in names(folder))
    finally:
        shutil.rmtree(folder)
