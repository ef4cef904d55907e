"""A real daemon takes shared directories through a session, and shows what it got."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from buildkit_spec import llb
from buildkit_spec._pb.fsutil import Packet
from buildkit_spec.client import Address, BuildOutput, Client, Gateway, Ref
from buildkit_spec.errors import FileChangedError, SessionError, SolveError
from buildkit_spec.session import FileSync, Health, Session, SharedDir
from buildkit_spec.values import Platform

AMD64 = Platform("linux", "amd64")
Look = Callable[[Ref], Any]


@pytest.fixture(name="client")
def _client(buildkit_host: str) -> Iterator[Client]:
    with Client(Address.parse(buildkit_host)) as client:
        yield client


def share(
    client: Client,
    shared: SharedDir | Mapping[str, SharedDir],
    look: Look,
    *,
    key: str = "",
    name: str = "src",
    **local: Any,
) -> Any:
    """Have the daemon take a directory, and return what *look* sees in its copy."""
    directories = {name: shared} if isinstance(shared, SharedDir) else shared
    with Session([FileSync(directories), Health()], shared_key=key or uuid.uuid4().hex) as session:
        seen: list[Any] = []

        def run(gateway: Gateway) -> BuildOutput:
            state = llb.local(name, **local)
            ref = gateway.solve(state.marshal(local_unique_id=session.id))
            seen.append(look(ref))
            return BuildOutput({AMD64: ref})

        client.build(run, session=session)
    return seen[0]


def evaluate(ref: Ref) -> float:
    """Have it transferred, and return how long that took, in seconds."""
    began = time.perf_counter()
    ref.evaluate()
    return time.perf_counter() - began


def listing(ref: Ref, path: str = "/") -> list[str]:
    """Return every path in a directory, relative to it."""
    found = []
    for stat in ref.read_dir(path):
        found.append(stat.path)
        if stat.is_dir:
            found += [f"{stat.path}/{below}" for below in listing(ref, f"{path}/{stat.path}")]
    return found


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_directory_arrives_as_it_is(client: Client, tmp_path: Path) -> None:
    """Contents, modes, links and odd names of a directory are those of the daemon's copy."""
    write(tmp_path, "a/b", "a.b", "a-b", "é \x01 *", "sub/deep/er/file")
    (tmp_path / "a.b").chmod(0o4750)
    (tmp_path / "sub").chmod(0o1777)
    (tmp_path / "link").symlink_to("../../etc/passwd")
    (tmp_path / "again").hardlink_to(tmp_path / "a" / "b")
    (tmp_path / "empty").touch()

    def look(ref: Ref) -> None:
        names = ["a", "a-b", "a.b", "again", "empty", "link", "sub", "é \x01 *"]
        assert sorted(stat.path for stat in ref.read_dir("/")) == names
        assert ref.read_file("a/b") == ref.read_file("again") == b"a/b"
        assert ref.read_file("é \x01 *").decode() == "é \x01 *"
        assert ref.read_file("sub/deep/er/file") == b"sub/deep/er/file"
        assert ref.read_file("empty") == b""
        assert ref.stat_file("a.b").mode == 0o750 | 1 << 23
        assert ref.stat_file("sub").mode == 0o777 | 1 << 31 | 1 << 20
        assert ref.read_dir("/", pattern="link")[0].link_target == "../../etc/passwd"

    share(client, SharedDir(tmp_path), look)


def test_only_what_is_accepted_arrives(client: Client, tmp_path: Path) -> None:
    """What `accepts` refuses is not in the daemon's copy, and modes are masked."""
    write(tmp_path, "keep/a", "drop/a", "keep/b.log")
    (tmp_path / "keep" / "a").chmod(0o666)
    shared = SharedDir(
        tmp_path, accepts=lambda path, _: path != "drop" and path[-4:] != ".log", mode_mask=0o755
    )

    def look(ref: Ref) -> None:
        assert listing(ref) == ["keep", "keep/a"]
        assert ref.stat_file("keep/a").mode == 0o644

    share(client, shared, look)


def test_daemon_asks_with_patterns(client: Client, tmp_path: Path) -> None:
    """Include and exclude patterns and follow paths of a source narrow what is sent."""
    write(tmp_path, "src/a.py", "src/a.pyc", "src/deep/b.py", "doc/x.md", "réal/file")
    (tmp_path / "link").symlink_to("réal")

    assert share(client, SharedDir(tmp_path), listing, include=["src", "!**/*.pyc"]) == [
        "src",
        "src/a.py",
        "src/deep",
        "src/deep/b.py",
    ]
    assert share(client, SharedDir(tmp_path), listing, exclude=["src", "link", "réal"]) == [
        "doc",
        "doc/x.md",
    ]
    assert share(client, SharedDir(tmp_path), listing, follow_paths=["link"]) == [
        "link",
        "réal",
        "réal/file",
    ]


def test_pattern_may_have_blanks_around_it(client: Client, tmp_path: Path) -> None:
    """The daemon sends it as a header as it is, against HTTP/2's rules; they mean nothing."""
    write(tmp_path, "a", "b")

    assert share(client, SharedDir(tmp_path), listing, include=[" a "]) == ["a"]


def test_empty_directory_arrives(client: Client, tmp_path: Path) -> None:
    """A directory with nothing in it is an empty file system."""
    assert share(client, SharedDir(tmp_path), listing) == []


def test_daemon_gets_no_other_directory(client: Client, tmp_path: Path) -> None:
    """A source whose name is not shared fails the build."""
    with pytest.raises(SolveError, match="'elsewhere'"):
        share(client, {"src": SharedDir(tmp_path)}, evaluate, name="elsewhere")


def test_failure_here_is_the_builds_error(client: Client, tmp_path: Path) -> None:
    """What went wrong on this side is raised as it is, not as the daemon's echo of it."""
    with pytest.raises(SessionError, match="gone"):
        share(client, SharedDir(tmp_path / "gone"), evaluate)


def test_change_during_transfer_is_the_builds_error(client: Client, tmp_path: Path) -> None:
    """A file that changes while it is sent fails the build with its name."""
    (tmp_path / "log").touch()
    (tmp_path / "zzz").touch()

    def accepts(path: str, is_dir: bool) -> bool:
        # "log" has been listed when "zzz" is asked about, and not been read yet: sends are batched
        if path == "zzz":
            (tmp_path / "log").write_text("more")
        return True

    with pytest.raises(FileChangedError) as caught:
        share(client, SharedDir(tmp_path, accepts=accepts), evaluate)

    assert caught.value.path == "log"


def test_several_directories_in_one_build(client: Client, tmp_path: Path) -> None:
    """A build may take several directories at once, each by its name."""
    names = [f"dir{index}" for index in range(5)]
    for name in names:
        write(tmp_path / name, f"{name}/file")
    directories = {name: SharedDir(tmp_path / name) for name in names}
    with Session([FileSync(directories), Health()]) as session:

        def run(gateway: Gateway) -> BuildOutput:
            state = llb.scratch()
            for name in names:
                state = state.file(llb.copy(llb.local(name), "/", "/"))
            ref = gateway.solve(state.marshal(local_unique_id=session.id))
            assert listing(ref) == [path for name in names for path in (name, f"{name}/file")]
            return BuildOutput({AMD64: ref})

        client.build(run, session=session)


def test_two_builds_at_once(client: Client, tmp_path: Path) -> None:
    """Two sessions of one process and one connection do not get in each other's way."""
    for name in ("one", "two"):
        write(tmp_path / name, *(f"{name}/{index}" for index in range(200)))
    found: dict[str, list[str]] = {}

    def build(name: str) -> None:
        found[name] = share(client, SharedDir(tmp_path / name), listing)

    threads = [threading.Thread(target=build, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in ("one", "two"):
        assert sorted(found[name]) == sorted([name, *(f"{name}/{index}" for index in range(200))])


class Noting(FileSync):
    """Notes what the daemon asks for."""

    def __init__(self, directories: Mapping[str, SharedDir]) -> None:
        super().__init__(directories)
        self.requests: list[Packet] = []

    def methods(self) -> Any:
        return {method: partial(self._note, run) for method, run in super().methods().items()}

    def _note(self, run: Callable[[Any], None], call: Any) -> None:
        run(NotingCall(call, self.requests))


class NotingCall:
    def __init__(self, call: Any, requests: list[Packet]) -> None:
        self.metadata = call.metadata
        self.send = call.send
        self.send_all = call.send_all
        self._call = call
        self._requests = requests

    @property
    def is_cancelled(self) -> bool:
        return bool(self._call.is_cancelled)

    def messages(self) -> Iterator[Packet]:
        return self._noted(self._call.messages())

    def arrived(self) -> list[Packet]:
        return list(self._noted(self._call.arrived()))

    def batches(self) -> Iterator[list[Packet]]:
        for packets in self._call.batches():
            yield list(self._noted(packets))

    def _noted(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        for packet in packets:
            self._requests.append(packet)
            yield packet


def test_unchanged_files_are_not_sent_again(client: Client, tmp_path: Path) -> None:
    """With the same shared key, a second build asks for the changed file and no other."""
    write(tmp_path, *(f"file{index}" for index in range(50)))
    key = uuid.uuid4().hex
    share(client, SharedDir(tmp_path), evaluate, key=key)
    (tmp_path / "file49").write_text("changed")
    sync = Noting({"src": SharedDir(tmp_path)})
    with Session([sync, Health()], shared_key=key) as session:

        def run(gateway: Gateway) -> BuildOutput:
            ref = gateway.solve(llb.local("src").marshal(local_unique_id=session.id))
            assert ref.read_file("file49") == b"changed"
            return BuildOutput({AMD64: ref})

        client.build(run, session=session)
    ids = [packet.ID for packet in sync.requests if packet.type == Packet.PACKET_REQ]
    names = sorted(f"file{index}" for index in range(50))

    assert [names[number] for number in ids] == ["file49"]


def test_twenty_thousand_small_files(
    client: Client, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A context of 20 000 files arrives whole."""
    for directory in range(200):
        (tmp_path / f"d{directory}").mkdir()
        for file in range(100):
            (tmp_path / f"d{directory}" / f"f{file}").write_text(f"{directory}/{file}\n" * 20)

    def look(ref: Ref) -> float:
        took_s = evaluate(ref)
        assert len(ref.read_dir("/")) == 200
        for directory in (0, 99, 199):
            assert len(ref.read_dir(f"d{directory}")) == 100
            assert ref.read_file(f"d{directory}/f42") == f"{directory}/42\n".encode() * 20
        return took_s

    took_s = share(client, SharedDir(tmp_path), look)
    record_property("seconds", took_s)
    print(f"20 000 small files: {took_s:.2f} s")


def test_half_a_gibibyte(
    client: Client, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A file of 512 MiB arrives whole, and never lies in our memory as a whole."""
    block = os.urandom(1 << 20)
    with (tmp_path / "large").open("wb") as stream:
        for index in range(512):
            stream.write(index.to_bytes(4, "big") + block[4:])

    def look(ref: Ref) -> float:
        took_s = evaluate(ref)
        assert ref.stat_file("large").size_bytes == 512 << 20
        for index in (0, 255, 511):
            part = ref.read_file("large", offset=index << 20, length=1 << 20)
            expected = index.to_bytes(4, "big") + block[4:]
            assert hashlib.sha256(part).digest() == hashlib.sha256(expected).digest()
        return took_s

    before = _peak_memory_bytes()
    took_s = share(client, SharedDir(tmp_path), look)
    record_property("seconds", took_s)
    print(f"512 MiB: {took_s:.2f} s")

    assert _peak_memory_bytes() - before < 128 << 20


def _peak_memory_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    pytest.fail("no VmHWM")
