"""Trees that a daemon sends: they come out as they are, and nothing in them leads outside."""

from __future__ import annotations

import os
import queue
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fsutil_sender import Entry, Sender
from hypothesis import given, settings
from hypothesis import strategies as st
from session_peer import Served

from buildkit_spec._pb import filesync
from buildkit_spec._pb._method import Method
from buildkit_spec._pb.fsutil import Packet
from buildkit_spec.errors import SessionError
from buildkit_spec.session import FileSend, ReceivedDirectory, StatusError
from buildkit_spec.session._call import CallCancelledError

DIRECTORY, LINK = stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
TIME_NS = 1_700_000_000_123_456_789


def received(path: Path, entries: Sequence[Entry]) -> ReceivedDirectory:
    """Take a tree and put it in place."""
    directory = ReceivedDirectory(path)
    try:
        directory.receive(Sender(entries))
        directory.commit()
    finally:
        directory.discard()
    return directory


def listing(root: Path) -> dict[str, tuple[str, object]]:
    """All below a directory: mode, and contents or target."""
    found: dict[str, tuple[str, object]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        what: object = None
        if stat.S_ISLNK(status.st_mode):
            what = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            what = path.read_bytes()
        found[str(path.relative_to(root))] = (oct(status.st_mode), what)
    return found


def test_tree_comes_out_as_it_is(tmp_path: Path) -> None:
    """Files, directories, links and pipes, with modes, times, and two names of one file."""
    big = os.urandom(100_000)
    tree = [
        Entry("bin", stat.S_IFDIR | 0o1777),
        Entry("bin/a", stat.S_IFREG | 0o4750, big),
        Entry("bin/b", link="bin/a"),
        Entry("bin/empty"),
        Entry("etc", stat.S_IFDIR | 0o555),
        Entry("etc/absolute", LINK, link="/etc/passwd"),
        Entry("etc/outside", LINK, link="../../.."),
        Entry("pipe", stat.S_IFIFO | 0o640),
    ]

    received(tmp_path / "out", tree)

    assert listing(tmp_path / "out") == {
        "bin": ("0o41777", None),
        "bin/a": ("0o104750", big),
        "bin/b": ("0o104750", big),
        "bin/empty": ("0o100644", b""),
        "etc": ("0o40555", None),
        "etc/absolute": ("0o120777", "/etc/passwd"),
        "etc/outside": ("0o120777", "../../.."),
        "pipe": ("0o10640", None),
    }
    assert (tmp_path / "out/bin/a").samefile(tmp_path / "out/bin/b")
    assert {(tmp_path / "out" / one.path).lstat().st_mtime_ns for one in tree} == {TIME_NS}
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_new_directory_has_the_usual_mode(tmp_path: Path) -> None:
    """The private folder in which it grew does not show."""
    (tmp_path / "usual").mkdir()
    received(tmp_path / "deep" / "out", [Entry("a")])

    assert (tmp_path / "deep/out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_names_that_mean_something_elsewhere_are_names(tmp_path: Path) -> None:
    """A backslash, a line break, a blank and a leading dash part nothing on this system."""
    names = [" ", "-rf", "..\\up", "C:\\x", "a\nb", "…"]
    received(tmp_path / "out", [Entry(name, data=b"x") for name in names])

    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == sorted(names)


def test_directory_keeps_what_the_tree_has_not(tmp_path: Path) -> None:
    """What is in both is the tree's, the old file is not written through its other names."""
    out = tmp_path / "out"
    (out / "both").mkdir(parents=True)
    (out / "mine").write_text("mine")
    (out / "both/mine").write_text("mine")
    (out / "both/ours").write_text("old")
    (tmp_path / "other-name").hardlink_to(out / "both/ours")
    received(
        out, [Entry("both", stat.S_IFDIR | 0o700), Entry("both/ours", data=b"new"), Entry("new")]
    )

    assert {name: what for name, (_, what) in listing(out).items()} == {
        "both": None,
        "both/mine": b"mine",
        "both/ours": b"new",
        "mine": b"mine",
        "new": b"",
    }
    assert (tmp_path / "other-name").read_text() == "old"


def test_directory_that_may_not_be_written_is_received_again(tmp_path: Path) -> None:
    """The first time made it so; whoever owns it can build into it once more."""
    for data in (b"old", b"new"):
        tree = [Entry("a", stat.S_IFDIR | 0o500), Entry("a/b", stat.S_IFREG | 0o400, data)]
        received(tmp_path / "out", tree)

    assert listing(tmp_path / "out") == {"a": ("0o40500", None), "a/b": ("0o100400", b"new")}


@pytest.mark.parametrize("target", ["../outside", "/", "nowhere"])
def test_links_in_the_way_are_replaced(tmp_path: Path, target: str) -> None:
    """Neither a directory nor a file of the tree is written through a link that lay there."""
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "directory").symlink_to(target)
    (out / "file").symlink_to("../outside/file")

    received(out, [Entry("directory", DIRECTORY), Entry("directory/a"), Entry("file", data=b"x")])

    assert (out / "directory/a").is_file()
    assert not (out / "directory").is_symlink()
    assert not (out / "file").is_symlink()
    assert list(outside.iterdir()) == []


def test_directory_in_the_way_of_a_file_changes_nothing(tmp_path: Path) -> None:
    """It may hold what somebody needs: the result is refused as a whole."""
    out = tmp_path / "out"
    (out / "z/deep").mkdir(parents=True)
    before = listing(tmp_path)

    with pytest.raises(SessionError, match="z/deep is a directory"):
        received(out, [Entry("a"), Entry("z", DIRECTORY), Entry("z/deep")])

    assert listing(tmp_path) == before


def test_discarded_tree_leaves_no_trace(tmp_path: Path) -> None:
    """In a new place and in an old one; what comes after that is not written."""
    (tmp_path / "old").mkdir()
    for name in ("old", "new/deep"):
        directory = ReceivedDirectory(tmp_path / name)
        directory.receive(Sender([Entry("a", DIRECTORY), Entry("a/b", data=b"x")]))
        directory.discard()
        with pytest.raises(CallCancelledError):
            directory.receive(Sender([Entry("late")]))

    assert listing(tmp_path) == {"old": (oct((tmp_path / "old").stat().st_mode), None)}


def test_trees_of_several_platforms_share_the_directory(tmp_path: Path) -> None:
    """Each comes by a call of its own; equal directories are one."""
    directory = ReceivedDirectory(tmp_path / "out")
    for name in ("linux_amd64", "linux_arm64"):
        tree = [Entry("both", DIRECTORY), Entry(f"both/{name}"), Entry(name, DIRECTORY)]
        directory.receive(Sender(tree))
    directory.commit()

    assert sorted(listing(tmp_path / "out")) == [
        "both",
        "both/linux_amd64",
        "both/linux_arm64",
        "linux_amd64",
        "linux_arm64",
    ]


def test_devices_are_left_out_and_told(tmp_path: Path) -> None:
    """Also where this user could make them; everything else is there."""
    tree = [Entry("a"), Entry("null", stat.S_IFCHR | 0o666), Entry("sda", stat.S_IFBLK | 0o666)]
    directory = received(tmp_path / "out", tree)

    assert list(listing(tmp_path / "out")) == ["a"]
    assert directory.left_out == ("null", "sda")


def test_many_files_are_asked_for_a_few_at_a_time(tmp_path: Path) -> None:
    """What is asked and not read yet by the daemon stays small, many by one message, and all come.

    One message for each file makes the daemon and us wake up for each.
    """
    tree = [Entry(f"{number:04}", data=b"x" * number) for number in range(500)]
    sender = Sender(tree, gathered=50)
    directory = ReceivedDirectory(tmp_path / "out")
    directory.receive(sender)
    directory.commit()

    asked = [packet.ID for packet in sender.said if packet.type == Packet.PACKET_REQ]
    assert asked == list(range(500))
    assert sender.times < 20
    assert {len(what) for _, what in listing(tmp_path / "out").values()} == set(range(500))  # type: ignore[arg-type]


def test_file_is_opened_once(tmp_path: Path) -> None:
    """Of a tree of small files, opening them is most of the work."""
    opened: list[str] = []
    is_looked_at = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and is_looked_at:
            opened.append(str(arguments[0]))

    sys.addaudithook(note)  # which stays for ever
    received(tmp_path / "out", [Entry("a", data=b"x" * 20), Entry("b"), Entry("c", link="b")])
    is_looked_at = False

    assert [one for one in opened if one in {"a", "c"}] == ["a"]


def test_other_names_come_before_the_contents(tmp_path: Path) -> None:
    """All is listed before a file arrives: its second name is one of the same file all the same."""
    tree = [Entry("a", data=b"abc"), Entry("b", link="a"), Entry("c", link="b"), Entry("d")]
    directory = ReceivedDirectory(tmp_path / "out")
    directory.receive(Sender(tree, gathered=100))
    directory.commit()

    assert {what for _, what in listing(tmp_path / "out").values()} == {b"abc", b""}
    assert len({(tmp_path / "out" / name).stat().st_ino for name in "abc"}) == 1


@pytest.mark.parametrize("gathered", [1, 100])
@pytest.mark.parametrize(
    "tree",
    [
        [Entry("../up")],
        [Entry("..", DIRECTORY)],
        [Entry("/etc/up")],
        [Entry("/up")],
        [Entry("//up")],
        [Entry(".")],
        [Entry("")],
        [Entry("a/")],
        [Entry("no/parent")],
        [Entry("a", DIRECTORY), Entry("a/../../up")],
        [Entry("a", DIRECTORY), Entry("a//b")],
        [Entry("a", LINK, link=".."), Entry("a/up")],
        [Entry("a", LINK, link="/tmp"), Entry("a", DIRECTORY), Entry("a/up")],
        [Entry("a"), Entry("a", data=b"again")],
        [Entry("a", DIRECTORY), Entry("a", LINK, link="/")],
        [Entry("nul\0"), Entry("b")],
        [Entry("b", link="../up")],
        [Entry("b", link="/etc/passwd")],
        [Entry("a", LINK, link="/etc/passwd"), Entry("b", link="a")],
        [Entry("a", DIRECTORY), Entry("b", link="a")],
        [Entry("b", link="b")],
        [Entry("a"), Entry("b"), Entry("a", link="b")],
        [Entry("a"), Entry("a", LINK, link="/")],
        [Entry("a", LINK, link="/"), Entry("a", data=b"x")],
        [Entry("a", LINK, link="/etc/passwd"), Entry("a"), Entry("b", link="a")],
        [Entry("a"), Entry("a", DIRECTORY)],
        [Entry("a", DIRECTORY), Entry("a", data=b"x")],
        [Entry("x" * 300)],
    ],
    ids=lambda tree: tree[-1].path[:9] + "," + tree[-1].link,
)
def test_hostile_trees_are_refused(tmp_path: Path, tree: list[Entry], gathered: int) -> None:
    """The daemon is told, nothing is written, and the old tree stays."""
    out = tmp_path / "inner" / "out"
    out.mkdir(parents=True)
    (out / "old").write_text("old")
    before = listing(tmp_path)
    directory = ReceivedDirectory(out)
    sender = Sender(tree, gathered=gathered)

    with pytest.raises(SessionError):
        directory.receive(sender)
    directory.discard()

    assert listing(tmp_path) == before
    assert sender.said[-1].type == Packet.PACKET_ERR


_NAMES = st.sampled_from(["a", "b", "..", ".", "", "/", "up", "out", "secret", "a\\b"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_KINDS = st.sampled_from([DIRECTORY, LINK, stat.S_IFREG | 0o644, stat.S_IFIFO | 0o600])
_ENTRIES = st.builds(
    lambda path, mode, data, link: Entry(path, mode, data, link),
    _PATHS,
    _KINDS,
    st.binary(max_size=20),
    st.one_of(st.just(""), _PATHS, st.sampled_from(["../secret", "../..", "a", "b", "a/b"])),
)


@settings(max_examples=300, deadline=None)
@given(tree=st.lists(_ENTRIES, max_size=12), planted=st.sampled_from(["", "..", "../secret"]))
def test_no_tree_writes_outside_its_directory(tree: list[Entry], planted: str) -> None:
    """Whatever a daemon sends, and whatever link lay there before: what is beside it is as it was.

    When it is refused, the directory is as it was, too.
    """
    folder = Path(tempfile.mkdtemp())
    try:
        out = folder / "out"
        out.mkdir()
        (folder / "secret").write_text("secret")
        for name in ("a", "b", "up"):
            if planted:
                (out / name).symlink_to(planted)
        before = listing(folder)
        is_refused = False
        try:
            received(out, tree)
        except SessionError:
            is_refused = True
        after = listing(folder)
        if is_refused:
            assert after == before
        assert {name for name in after if not name.startswith("out")} == {"secret"}
        assert after["secret"] == before["secret"]
    finally:
        shutil.rmtree(folder)


_GOOD_NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."})


@settings(max_examples=100, deadline=None)
@given(files=st.dictionaries(_GOOD_NAMES, st.binary(max_size=50), max_size=6), where=_GOOD_NAMES)
def test_every_name_comes_out_as_it_is(files: dict[str, bytes], where: str) -> None:
    """Names are bytes without a slash: nothing is cleaned, folded or cut."""
    folder = Path(tempfile.mkdtemp())
    try:
        tree = [Entry(where, DIRECTORY)]
        tree += [Entry(f"{where}/{name}", data=data) for name, data in files.items()]
        received(folder / "out", tree)
        found = {name: what for name, (_, what) in listing(folder / "out").items()}
        assert found == {where: None, **{f"{where}/{name}": data for name, data in files.items()}}
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (Sender([Entry("a", data=b"abc", size_bytes=4)]), "another size"),
        (Sender([Entry("a", data=b"abc", size_bytes=2)]), "another size"),
        (Sender([Entry("a", data=b"abc")], is_cut_off=True), "broke off"),
        (Sender([], extra=[Packet(type=Packet.PACKET_DATA, ID=0, data=b"x")]), "nobody asked"),
        (Sender([], extra=[Packet(type=Packet.PACKET_FIN)], is_cut_off=True), "broke off"),
    ],
    ids=["short", "long", "cut off", "unasked", "early end"],
)
def test_transfers_that_are_not_whole_are_failures(
    tmp_path: Path, sender: Sender, message: str
) -> None:
    """A file is as long as was said, and what nobody asked for is not written."""
    directory = ReceivedDirectory(tmp_path / "out")
    with pytest.raises(SessionError, match=message):
        directory.receive(sender)
    directory.discard()

    assert list(tmp_path.iterdir()) == []


def test_error_of_the_daemon_is_its_own(tmp_path: Path) -> None:
    """What it could not read is told by the build, and is no failure of ours."""
    directory = ReceivedDirectory(tmp_path / "out")
    with pytest.raises(StatusError, match="no such snapshot"):
        directory.receive(
            Sender([], extra=[Packet(type=Packet.PACKET_ERR, data=b"no such snapshot")])
        )
    directory.discard()


@pytest.mark.parametrize("name", ["file", "file/deep", "file/deep/er"])
def test_place_that_is_no_directory_is_told_at_once(tmp_path: Path, name: str) -> None:
    """Before anything is built, with what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SessionError, match=r"cannot write to .*file.*: not a directory") as caught:
        ReceivedDirectory(tmp_path / name)

    assert caught.value.remedy


def test_tree_comes_over_the_wire(serve: Callable[..., Served], tmp_path: Path) -> None:
    """The method that brings archives brings trees too; both ends are gRPC's own."""
    directory = ReceivedDirectory(tmp_path / "out")
    served = serve(FileSend({0: lambda said: (tmp_path / "x").open("wb"), 1: directory}))
    sender = Sender([Entry("a", DIRECTORY), Entry("a/b", data=b"x" * 70_000)])
    method = Method(filesync.FileSend.DiffCopy.path, Packet, Packet)
    answers: queue.SimpleQueue[Packet] = queue.SimpleQueue()

    def packets():  # type: ignore[no-untyped-def]
        for entry in sender.entries:
            yield entry.packet()
        yield Packet(type=Packet.PACKET_STAT)
        while (packet := answers.get()).type != Packet.PACKET_FIN:
            sender.send(packet)
            yield from sender._asked()
        yield packet

    headers = (("buildkit-attachable-exporter-id", "1"),)
    for packet in served.stream(method, packets(), metadata=headers):
        answers.put(packet)
    directory.commit()

    assert (tmp_path / "out/a/b").read_bytes() == b"x" * 70_000
    assert served.failures == []
