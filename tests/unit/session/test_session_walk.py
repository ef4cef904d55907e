"""A shared directory, walked: order, what an entry is, and that nothing leads outside."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import FileChangedError, SessionError
from buildkit_spec.session import StatusError
from buildkit_spec.session._selection import selection
from buildkit_spec.session._walk import LEFT_OUT, SENT, Choice, Tree
from buildkit_spec.values.entry import Entry

NAMES = st.text("abé.-_ \x01\U0001f600", min_size=1, max_size=3).filter(
    lambda name: name not in (".", "..")
)
TREES = st.recursive(
    st.just(None), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)


def everything(path: str, is_dir: bool, memory: object) -> Choice:
    return SENT


def walk(root: Path, **patterns: list[str]) -> list[str]:
    with Tree(root) as tree:
        return [entry.path for entry in tree.walk(selection(tree, None, **patterns))]


def find(tree: Tree, path: str) -> Entry:
    return next(entry for entry in tree.walk(everything) if entry.path == path)


def make(root: Path, tree: object) -> Iterator[str]:
    """Make a tree of directories and files, and yield its paths."""
    assert isinstance(tree, dict)
    for name, below in tree.items():
        yield name
        if below is None:
            (root / name).write_text(name)
        else:
            (root / name).mkdir()
            for path in make(root / name, below):
                yield f"{name}/{path}"


@settings(deadline=None)
@given(TREES.filter(bool))
def test_entries_come_in_the_protocols_order(tree: object) -> None:
    """Depth first, names as bytes with the slash lowest, directories before what is in them."""
    with tempfile.TemporaryDirectory() as root:
        paths = list(make(Path(root), tree))

        assert walk(Path(root)) == sorted(paths, key=lambda p: p.replace("/", "\0").encode())


def test_symlink_is_sent_as_it_is_and_not_followed(tmp_path: Path) -> None:
    """A link keeps its target, wherever that leads, and a linked directory is not entered."""
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "lost").symlink_to("../../nowhere")
    with Tree(tmp_path) as tree:
        entries = list(tree.walk(everything))

    assert [(entry.path, entry.link) for entry in entries] == [
        ("lost", "../../nowhere"),
        ("out", "/etc"),
    ]


def test_sockets_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is passed over; a pipe is not."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        os.mkfifo("pipe")

        assert walk(tmp_path) == ["pipe"]


def test_hard_link_names_the_first_path_that_is_sent(tmp_path: Path) -> None:
    """Later names of a file are links to its first; a first that is refused is not it."""
    (tmp_path / "a").write_text("text")
    for name in ("b", "c"):
        (tmp_path / name).hardlink_to(tmp_path / "a")
    with Tree(tmp_path) as tree:
        links = [entry.link for entry in tree.walk(everything)]
        choose = selection(tree, lambda path, is_dir: path != "a")
        links_without_first = [(entry.path, entry.link) for entry in tree.walk(choose)]

    assert links == ["", "a", "a"]
    assert links_without_first == [("b", ""), ("c", "b")]


def test_refused_directory_is_never_entered(tmp_path: Path) -> None:
    """Nothing in a refused directory is asked about."""
    (tmp_path / "no" / "deep").mkdir(parents=True)
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "file").touch()
    asked = []

    def accepts(path: str, is_dir: bool) -> bool:
        asked.append((path, is_dir))
        return path != "no"

    with Tree(tmp_path) as tree:
        paths = [entry.path for entry in tree.walk(selection(tree, accepts))]

    assert paths == ["yes", "yes/file"]
    assert asked == [("no", True), ("yes", True), ("yes/file", False)]


def test_included_entry_brings_the_directories_above_it(tmp_path: Path) -> None:
    """A directory that no pattern names comes where something in it is included, and only then."""
    for path in ("a/b/x.py", "a/c/x.txt", "d/x.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    assert walk(tmp_path, includes=["**/*.py"]) == ["a", "a/b", "a/b/x.py"]
    assert walk(tmp_path, includes=["a"], excludes=["a/*", "!a/c"]) == ["a", "a/c", "a/c/x.txt"]
    assert walk(tmp_path, excludes=["**", "!d"]) == ["d", "d/x.txt"]


def test_followed_links_bring_what_they_lead_to(tmp_path: Path) -> None:
    """Each link on the way and its target are included; a link out is taken from the root."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "file").touch()
    (tmp_path / "other").touch()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "out").symlink_to("../../../../etc")
    (tmp_path / "round").symlink_to("round/x")

    assert walk(tmp_path, follow=["link/deep"]) == ["link", "real", "real/deep", "real/deep/file"]
    assert walk(tmp_path, follow=["out"]) == ["etc", "etc/hosts", "out"]
    assert walk(tmp_path, follow=["l*", "other"])[:2] == ["link", "other"]
    assert walk(tmp_path, follow=["round"]) == ["round"]
    assert walk(tmp_path, follow=["../../etc"]) == []
    assert "etc/hosts" in walk(tmp_path, follow=["/"])


def test_root_among_patterns_and_paths_is_what_fsutil_takes_it_for(tmp_path: Path) -> None:
    """A ``.`` among the patterns is everything beside a path that is followed, else nothing.

    A path that leads to the root narrows nothing, and widens nothing either.
    """
    for name in ("a", "b"):
        (tmp_path / name).touch()

    assert walk(tmp_path, includes=["."], follow=["a"]) == ["a", "b"]
    assert walk(tmp_path, includes=["."], follow=["/"]) == []
    assert walk(tmp_path, includes=["b"], follow=["/"]) == ["b"]
    assert walk(tmp_path, includes=["."]) == []


def test_pattern_without_meaning_is_the_callers_fault(tmp_path: Path) -> None:
    """A malformed pattern is an answer to the daemon, which made it."""
    with Tree(tmp_path) as tree, pytest.raises(StatusError, match="bracket"):
        selection(tree, None, includes=["[a"])


def test_root_may_be_a_link(tmp_path: Path) -> None:
    """A shared directory may be named by a symlink: who shares it chose it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")

    assert walk(tmp_path / "link") == ["file"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_root_that_is_no_directory_is_told(tmp_path: Path, name: str) -> None:
    """A root that is not there, or a file, is an error that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match=name):
        Tree(tmp_path / name)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the shared one, with a file of the same name as in it."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "file").write_text("secret")
    return place


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A shared directory: ``sub/file``."""
    place = tmp_path / "shared"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "file").write_text("public")
    return place


def swap(directory: Path, target: Path) -> None:
    """Put a symlink in a directory's place."""
    directory.rename(directory.with_name("aside"))
    directory.symlink_to(target)


def test_parent_swapped_for_a_link_before_reading_leads_nowhere(
    shared: Path, outside: Path
) -> None:
    """A directory that became a symlink after the walk is not read through."""
    with Tree(shared) as tree:
        entry = find(tree, "sub/file")
        swap(shared / "sub", outside)

        with pytest.raises(FileChangedError) as caught:
            content(tree, entry)

    assert caught.value.path == "sub/file"


def test_parent_swapped_for_a_link_while_walking_leads_nowhere(shared: Path, outside: Path) -> None:
    """A directory that became a symlink between being found and entered is not walked."""
    with Tree(shared) as tree:
        entries = tree.walk(everything)
        assert next(entries).path == "sub"
        swap(shared / "sub", outside)

        with pytest.raises(FileChangedError):
            next(entries)


def test_parent_swapped_while_being_chosen_is_sent_as_a_link(shared: Path, outside: Path) -> None:
    """A directory that became a symlink before it was looked at is a symlink."""

    def accepts(path: str, is_dir: bool) -> bool:
        if is_dir:
            swap(shared / "sub", outside)
        return True

    with Tree(shared) as tree:
        entries = list(tree.walk(selection(tree, accepts)))

    assert [(entry.path, entry.link) for entry in entries] == [("sub", str(outside))]


def test_root_swapped_for_a_link_changes_nothing(shared: Path, outside: Path) -> None:
    """The root is held open: what stands in its place later is not looked at."""
    with Tree(shared) as tree:
        swap(shared, outside)

        assert content(tree, find(tree, "sub/file")) == b"public"


def content(tree: Tree, entry: Entry, size_bytes: int = 100) -> bytes:
    return b"".join(tree.chunks(entry, size_bytes))


def set_back(path: Path, entry: Entry) -> None:
    """Give a file another one's mode and time; its change time is a later one."""
    path.chmod(entry.mode)
    os.utime(path, ns=(0, entry.mtime_ns))
    while path.stat().st_ctime_ns == entry.ctime_ns:  # its clock is coarse
        os.utime(path, ns=(0, entry.mtime_ns))


@pytest.mark.parametrize(
    "kind",
    ["link", "pipe", "directory", "other", "twin", "rewritten", "gone", "longer", "mode"],
)
def test_file_that_is_not_what_was_found_is_told(shared: Path, outside: Path, kind: str) -> None:
    """A file replaced or changed since the walk is an error; a pipe in its place does not block."""
    path = shared / "sub" / "file"
    with Tree(shared) as tree:
        entry = find(tree, "sub/file")
        if kind == "longer":
            path.write_text("public!")
        elif kind == "mode":
            path.chmod(0o600)
        elif kind == "rewritten":
            path.write_text("PUBLIC")
        else:
            path.rename(path.with_name("aside"))
        if kind == "link":
            path.symlink_to(outside / "file")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        elif kind in ("other", "twin"):
            path.write_text("PUBLIC")
        if kind in ("twin", "rewritten"):
            set_back(path, entry)

        with pytest.raises(FileChangedError):
            content(tree, entry)


@pytest.fixture
def stranger() -> Iterator[None]:
    """Be somebody whom the files do not belong to."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_file_is_named(shared: Path, request: pytest.FixtureRequest) -> None:
    """A file that we may not read is an error with its path and the reason."""
    (shared / "sub" / "file").chmod(0)
    with Tree(shared) as tree:
        entry = find(tree, "sub/file")
        request.getfixturevalue("stranger")

        with pytest.raises(SessionError, match=r"shared/sub/file.*permission denied"):
            content(tree, entry)


def test_file_that_fails_while_being_read_is_named() -> None:
    """What the file system says in the middle of a file comes with the file's path."""
    with Tree(Path("/sys/class/net/lo")) as tree:  # the kernel's own, which has no speed
        entry = find(tree, "speed")

        with pytest.raises(SessionError, match=r"net/lo/speed.*invalid argument"):
            content(tree, entry)


@pytest.mark.parametrize("change", ["before", "between", "after"])
def test_large_file_that_changes_is_told(shared: Path, change: str) -> None:
    """A file of several pieces is looked at before the first and after the last."""
    path = shared / "sub" / "file"
    with Tree(shared) as tree:
        entry = find(tree, "sub/file")
        pieces = tree.chunks(entry, 2)
        if change == "between":
            assert next(pieces) == b"pu"
        elif change == "after":
            assert [next(pieces), next(pieces)] == [b"pu", b"bl"]
        path.write_text("changed")

        with pytest.raises(FileChangedError):
            list(pieces)


def test_unreadable_directory_is_named_unless_nobody_asked(
    shared: Path, request: pytest.FixtureRequest
) -> None:
    """A directory that we may not read is an error, but not when no pattern names it."""
    (shared / "z").touch()
    (shared / "sub").chmod(0)
    with Tree(shared) as tree:
        request.getfixturevalue("stranger")

        with pytest.raises(SessionError, match=r"shared/sub.*permission denied"):
            list(tree.walk(everything))
        narrow = selection(tree, None, includes=["**/z"])
        assert [entry.path for entry in tree.walk(narrow)] == ["z"]


def test_deep_trees_need_few_descriptors(tmp_path: Path) -> None:
    """Reading files in many directories keeps a bounded number of them open."""
    for index in range(300):
        (tmp_path / f"d{index}").mkdir()
        (tmp_path / f"d{index}" / "f").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Tree(tmp_path) as tree:
        for entry in list(tree.walk(everything)):
            if stat.S_ISREG(entry.mode):
                content(tree, entry)

        assert len(list(Path("/proc/self/fd").iterdir())) - before < 100
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_entry_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    """What is gone when it is looked at is as good as never there."""
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()

    def choose(path: str, is_dir: bool, memory: object) -> Choice:
        (tmp_path / "a").unlink(missing_ok=True)
        return SENT

    with Tree(tmp_path) as tree:
        assert [entry.path for entry in tree.walk(choose)] == ["b"]


def test_nothing_chosen_is_an_empty_tree(shared: Path) -> None:
    """A tree of which everything is refused is empty, not an error."""
    with Tree(shared) as tree:
        assert list(tree.walk(lambda path, is_dir, memory: LEFT_OUT)) == []
