"""File sync, received by gRPC's own client in fsutil's protocol."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from session_peer import TIMEOUT_S, Served, receive

from buildkit_spec._pb import filesync, health
from buildkit_spec._pb.fsutil import Packet
from buildkit_spec.errors import FileChangedError, SessionError
from buildkit_spec.session import FileSync, Health, SharedDir
from buildkit_spec.session._modes import go_mode
from buildkit_spec.session._walk import SENT, Tree

Serve = Callable[..., Served]

GO_DIRECTORY, GO_SYMLINK, GO_PIPE = 1 << 31, 1 << 27, 1 << 25


def test_directory_arrives_whole(serve: Serve, tmp_path: Path) -> None:
    """Paths, modes, sizes, times, links and contents are those of the directory; owners are 0."""
    (tmp_path / "sub").mkdir(mode=0o750)
    (tmp_path / "sub" / "empty").touch(mode=0o600)
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "a").chmod(0o4755)
    os.utime(tmp_path / "a", ns=(1, 1_234_567_890_123_456_789))
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "same").hardlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe", 0o644)

    received = receive(serve(FileSync({"src": SharedDir(tmp_path)})), "src")

    assert received.paths == ["a", "link", "pipe", "same", "sub", "sub/empty"]
    assert [received.stat(path).mode for path in received.paths] == [
        0o755 | 1 << 23,
        0o777 | GO_SYMLINK,
        0o644 | GO_PIPE,
        0o755 | 1 << 23,
        0o750 | GO_DIRECTORY,
        0o600,
    ]
    assert [received.stat(path).size for path in received.paths] == [5, 1, 0, 5, 0, 0]
    assert [received.stat(path).linkname for path in received.paths] == ["", "a", "", "a", "", ""]
    assert received.stat("a").modTime == 1_234_567_890_123_456_789
    assert {(stat_.uid, stat_.gid) for stat_ in received.stats} == {(0, 0)}
    assert received.contents == {"a": b"hello", "sub/empty": b""}


def test_mode_mask_clears_permissions_but_not_a_links(serve: Serve, tmp_path: Path) -> None:
    """A mask makes modes the same on machines with another umask; symlinks have none to clear."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub").chmod(0o2775)
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o664)
    (tmp_path / "link").symlink_to("file")

    received = receive(serve(FileSync({"src": SharedDir(tmp_path, mode_mask=0o755)})), "src")

    assert received.stat("sub").mode == 0o755 | GO_DIRECTORY
    assert received.stat("file").mode == 0o644
    assert received.stat("link").mode == 0o777 | GO_SYMLINK


def test_several_directories_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    """Each name gives its own directory, and two can be on the way at once."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name * 100_000)
    served = serve(FileSync({name: SharedDir(tmp_path / name) for name in ("one", "two")}))
    found = {}

    def fetch(name: str) -> None:
        found[name] = receive(served, name).contents

    threads = [threading.Thread(target=fetch, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {name: {name: name.encode() * 100_000} for name in ("one", "two")}


@pytest.mark.parametrize("name", ["other", "", "../src", "/"])
def test_name_that_is_not_shared_is_not_found(serve: Serve, tmp_path: Path, name: str) -> None:
    """A daemon gets nothing but what was shared by name."""
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    with pytest.raises(grpc.RpcError) as caught:
        receive(served, name)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert not served.failures


def test_name_and_patterns_may_be_escaped(serve: Serve, tmp_path: Path) -> None:
    """Values with a ``-encoded`` key are URL-query-escaped, the others are not."""
    (tmp_path / "é 1").touch()
    (tmp_path / "+").touch()
    served = serve(FileSync({"dé": SharedDir(tmp_path)}))
    headers = (
        ("dir-name-encoded", "1"),
        ("include-patterns", "%C3%A9+1"),
        ("include-patterns-encoded", "1"),
    )

    assert receive(served, "d%C3%A9", headers=headers).paths == ["é 1"]
    plain = (("dir-name-encoded", "1"), ("exclude-patterns", "+"))
    assert receive(served, "d%C3%A9", headers=plain).paths == ["é 1"]


def test_daemons_patterns_narrow_what_we_accept(serve: Serve, tmp_path: Path) -> None:
    """A pattern of the daemon's can leave out more, never bring in what we refuse."""
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    served = serve(FileSync({"src": SharedDir(tmp_path, accepts=lambda path, _: path != "a")}))
    headers = [("include-patterns", "a"), ("include-patterns", "b"), ("followpaths", "a")]

    assert receive(served, "src", headers=headers).paths == ["b"]


def test_changed_file_is_told_to_the_daemon_and_to_us(serve: Serve, tmp_path: Path) -> None:
    """A file written to after it was listed fails the transfer, with its name on both sides."""
    (tmp_path / "file").write_text("before")
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    received = None
    with pytest.raises(grpc.RpcError) as caught:
        received = receive(
            served, "src", on_listed=lambda: (tmp_path / "file").write_text("afterwards")
        )

    assert received is None
    assert "'file' changed while it was being sent" in caught.value.details()
    assert isinstance(served.failures[0], FileChangedError)
    assert served.failures[0].path == "file"


def test_listing_is_what_is_sent_whatever_comes_later(serve: Serve, tmp_path: Path) -> None:
    """Of a directory that was looked at before, what was found is sent, narrowed as a walk is."""
    for name in ("a/x", "a/y", "b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    with Tree(tmp_path) as tree:
        found = [
            entry._replace(stamp_ns=7)
            for entry in tree.walk(lambda path, is_dir, memory: SENT)
            if entry.path != "b"
        ]
    (tmp_path / "a/late").touch()
    served = serve(FileSync({"src": SharedDir(tmp_path, listing=lambda: found)}))

    everything = receive(served, "src")

    assert everything.paths == ["a", "a/x", "a/y"]
    assert {stat.modTime for stat in everything.stats} == {7}
    assert everything.contents == {"a/x": b"a/x", "a/y": b"a/y"}
    assert receive(served, "src", headers=[("exclude-patterns", "a/x")]).paths == ["a", "a/y"]


def test_file_that_changed_since_the_listing_is_told(serve: Serve, tmp_path: Path) -> None:
    """What was hashed is sent, or nothing: also when the change was long before the transfer."""
    (tmp_path / "file").write_text("before")
    with Tree(tmp_path) as tree:
        found = list(tree.walk(lambda path, is_dir, memory: SENT))
    (tmp_path / "file").write_text("after!")
    served = serve(FileSync({"src": SharedDir(tmp_path, listing=lambda: found)}))
    with pytest.raises(grpc.RpcError):
        receive(served, "src")

    assert isinstance(served.failures[0], FileChangedError)


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_file_changed_while_being_read_is_told(serve: Serve, tmp_path: Path, change: str) -> None:
    """A change in the middle of a file is found at its end, and the file is not ended."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    requests = iter([Packet(type=Packet.PACKET_REQ, ID=0)])
    stay = threading.Event()

    def requesting() -> object:
        return next(requests, None) or stay.wait(20)

    stream = served.stream(
        filesync.FileSync.DiffCopy, iter(requesting, True), metadata=(("dir-name", "src"),)
    )
    while not next(stream).data:
        pass
    if change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        os.truncate(path, 65 << 20 if change == "longer" else 10 << 20)
    rest = []

    def drain() -> None:
        rest.extend((packet.type, len(packet.data)) for packet in stream)

    with pytest.raises(grpc.RpcError):
        drain()
    stay.set()

    assert rest[-1][0] == Packet.PACKET_ERR
    assert (Packet.PACKET_DATA, 0) not in rest
    assert isinstance(served.failures[0], FileChangedError)


def test_missing_root_is_told(serve: Serve, tmp_path: Path) -> None:
    """A shared directory that is not there is an error that names it."""
    served = serve(FileSync({"src": SharedDir(tmp_path / "gone")}))
    with pytest.raises(grpc.RpcError):
        receive(served, "src")

    assert "gone" in served.failures[0].message


def test_name_that_is_not_utf8_is_told(serve: Serve, tmp_path: Path) -> None:
    """A name that no message can hold is an error that shows it."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).touch()
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    with pytest.raises(grpc.RpcError):
        receive(served, "src")

    assert r"caf\xe9" in served.failures[0].message


@pytest.mark.parametrize("ids", [[0], [1, 1], [7]])
def test_request_for_what_may_not_be_asked_is_a_failure(
    serve: Serve, tmp_path: Path, ids: list[int]
) -> None:
    """A directory, a file twice, an unknown id: the transfer ends with words."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").touch()
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    requests = iter([Packet(type=Packet.PACKET_REQ, ID=number) for number in ids])
    release = threading.Event()

    def packets() -> object:
        release.wait(20)
        yield from requests

    stream = served.stream(filesync.FileSync.DiffCopy, packets(), metadata=(("dir-name", "src"),))
    while next(stream).HasField("stat"):
        pass
    release.set()
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)

    assert f"asked for file {ids[-1]}" in caught.value.details()
    assert isinstance(served.failures[0], SessionError)


def test_receivers_error_is_not_ours(serve: Serve, tmp_path: Path) -> None:
    """What goes wrong at the daemon is told by the daemon: no failure of the session's."""
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    packets = iter([Packet(type=Packet.PACKET_ERR, data=b"disk full")])
    with pytest.raises(grpc.RpcError) as caught:
        list(served.stream(filesync.FileSync.DiffCopy, packets, metadata=(("dir-name", "src"),)))

    assert "disk full" in caught.value.details()
    assert not served.failures


def test_peer_that_breaks_off_is_a_failure(serve: Serve, tmp_path: Path) -> None:
    """A peer that ends its requests without FIN has not got everything."""
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    with pytest.raises(grpc.RpcError):
        list(served.stream(filesync.FileSync.DiffCopy, iter(()), metadata=(("dir-name", "src"),)))

    assert "broke off" in served.failures[0].message


def test_health_answers_while_a_file_waits(serve: Serve, tmp_path: Path) -> None:
    """A transfer that the daemon does not take does not hold up its health check."""
    with (tmp_path / "file").open("wb") as stream:
        stream.truncate(64 << 20)
    served = serve(FileSync({"src": SharedDir(tmp_path)}), Health())
    requests = iter([Packet(type=Packet.PACKET_REQ, ID=0)])
    stay = threading.Event()
    transfer = served.stream(
        filesync.FileSync.DiffCopy,
        iter(lambda: next(requests, None) or stay.wait(20), True),
        metadata=(("dir-name", "src"),),
    )
    while not next(transfer).data:
        pass
    for _ in range(20):
        assert served.unary(health.Health.Check, health.HealthCheckRequest()).status
    transfer.cancel()
    stay.set()


def test_reset_stops_a_walk_that_sends_nothing(serve: Serve, tmp_path: Path) -> None:
    """A cancelled transfer asks about no further entry, be there ever so many that are refused."""
    for index in range(50):
        (tmp_path / f"f{index}").touch()
    asked: list[str] = []
    is_asked, is_cancelled = threading.Event(), threading.Event()

    def accepts(path: str, is_dir: bool) -> bool:
        asked.append(path)
        is_asked.set()
        is_cancelled.wait(TIMEOUT_S)
        return False

    served = serve(FileSync({"src": SharedDir(tmp_path, accepts)}), Health())
    stream = served.stream(
        filesync.FileSync.DiffCopy,
        iter(lambda: is_cancelled.wait(TIMEOUT_S), True),
        metadata=(("dir-name", "src"),),
    )
    assert is_asked.wait(TIMEOUT_S)
    walker = next(one for one in threading.enumerate() if one.name.endswith("FileSync/DiffCopy"))
    stream.cancel()
    served.unary(health.Health.Check, health.HealthCheckRequest())  # comes after the reset
    is_cancelled.set()
    walker.join(TIMEOUT_S)

    assert asked == ["f0"]
    assert not served.failures


def test_many_small_files_arrive(serve: Serve, tmp_path: Path) -> None:
    """Thousands of files in one transfer come with their contents."""
    expected = {}
    for index in range(2000):
        path = f"d{index % 20}/f{index}"
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
        expected[path] = path.encode()

    assert receive(serve(FileSync({"src": SharedDir(tmp_path)})), "src").contents == expected


def test_descriptors_are_closed_after_a_failure(serve: Serve, tmp_path: Path) -> None:
    """A transfer that fails leaves no file open."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("before")
    served = serve(FileSync({"src": SharedDir(tmp_path)}))
    receive(served, "src")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(grpc.RpcError):
        receive(served, "src", on_listed=lambda: (tmp_path / "a" / "file").unlink())

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFREG | 0o6755, 0o755 | 1 << 23 | 1 << 22),
        (stat.S_IFDIR | 0o1777, 0o777 | 1 << 31 | 1 << 20),
        (stat.S_IFLNK | 0o777, 0o777 | 1 << 27),
        (stat.S_IFCHR | 0o600, 0o600 | 1 << 26 | 1 << 21),
        (stat.S_IFBLK | 0o600, 0o600 | 1 << 26),
        (stat.S_IFIFO | 0o600, 0o600 | 1 << 25),
    ],
)
def test_mode_is_gos(mode: int, expected: int) -> None:
    """A mode is sent as Go's ``os.FileMode``, not as ``st_mode``."""
    assert go_mode(mode) == expected
