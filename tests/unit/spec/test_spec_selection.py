"""`FileSelection`: which files go into an image, and how."""

from __future__ import annotations

import os
import socket
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import SpecError
from buildkit_spec.spec import FileSelection, ImageSpec
from buildkit_spec.spec.rules import ExactFiles, NamedPaths, NotIgnored


def tree(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return root


def paths(selection: FileSelection, *, kind: str = "file") -> list[str]:
    return [entry.path for entry in selection.files() if entry.kind == kind]


def source(root: Path, mode: str = "all") -> list[str]:
    selection = ImageSpec(source_root=str(root), source_copy_mode=mode).source_selection()
    assert selection is not None
    return paths(selection)


def test_entries_have_kind_mode_size_and_target(tmp_path):
    """An entry says what it is; group and other write bits are left out, links are not followed."""
    root = tree(tmp_path, "dir/file", "dir/run", "dir/secret")
    (root / "dir").chmod(0o775)
    (root / "dir/file").chmod(0o664)
    (root / "dir/run").chmod(0o4777)
    (root / "dir/secret").chmod(0o600)
    (root / "dir/link").symlink_to("../../outside")
    (root / "dir/folder").symlink_to("/etc")

    entries = FileSelection(root, NamedPaths(["dir"])).files()

    assert [(one.path, one.kind, one.mode, one.size_bytes, one.target) for one in entries] == [
        ("dir", "directory", 0o755, 0, ""),
        ("dir/file", "file", 0o644, 8, ""),
        ("dir/folder", "symlink", 0, 0, "/etc"),
        ("dir/link", "symlink", 0, 0, "../../outside"),
        ("dir/run", "file", 0o755, 7, ""),
        ("dir/secret", "file", 0o600, 10, ""),
    ]


def test_directory_comes_before_what_is_in_it(tmp_path):
    """Entries are sorted name by name, so a directory is never behind its files."""
    root = tree(tmp_path, "a-b/x", "a/x", "a.b", "a/b/c")

    everything = [entry.path for entry in FileSelection(root, NamedPaths(["."])).files()]

    assert everything == ["a", "a/b", "a/b/c", "a/x", "a-b", "a-b/x", "a.b"]


def test_what_is_sent_is_what_is_listed(tmp_path):
    """The transfer's list and the tag's are one, with kinds and modes as the tag has them."""
    root = tree(tmp_path, "a/x", "a/y", "b/x", "c")
    (root / "c").chmod(0o4775)
    (root / "a/z").symlink_to("/etc")
    selection = FileSelection(root, NamedPaths(["a/x", "a/z", "c"]))

    found = [(one.path, oct(one.mode), one.size_bytes, one.link) for one in selection.found()]

    assert found[1:] == [
        ("a/x", "0o100644", 3, ""),
        ("a/z", "0o120000", 4, "/etc"),
        ("c", "0o100755", 1, ""),
    ]
    assert [one[0] for one in found] == [one.path for one in selection.files()]


def test_file_that_comes_later_is_not_sent(tmp_path):
    """What was not hashed is not sent."""
    root = tree(tmp_path, "a/x")
    selection = FileSelection(root, NamedPaths(["a"]))
    selection.files()
    tree(root, "a/late")

    assert [one.path for one in selection.found()] == ["a", "a/x"]


def test_names_of_one_file_are_sent_as_links(tmp_path):
    """Of a file with several names the first that belongs has the content; others lead to it."""
    root = tree(tmp_path, "a/x")
    for name in ("a/y", "a/z"):
        (root / name).hardlink_to(root / "a/x")

    links = {
        name: [(one.path, one.link) for one in FileSelection(root, NamedPaths([name])).found()][1:]
        for name in ("a", "a/z")
    }

    assert links == {"a": [("a/x", ""), ("a/y", "a/x"), ("a/z", "a/x")], "a/z": [("a/z", "")]}


@pytest.mark.parametrize(
    "change", ["content", "mode", "new", "gone", "link", "empty folder", "folder's mode"]
)
def test_what_was_touched_is_noticed(tmp_path, change):
    """A selection knows when it is not what is there any more."""
    root = tree(tmp_path, "a/x", "a/b/y")
    (root / "a/link").symlink_to("x")
    (root / "a/none").mkdir()
    selection = FileSelection(root, NamedPaths(["a"]))
    selection.files()

    assert selection.is_as_found()

    if change == "content":
        (root / "a/b/y").write_text("longer")
    elif change == "mode":
        (root / "a/b/y").chmod(0o600)
    elif change == "new":
        tree(root, "a/b/z")
    elif change == "gone":
        (root / "a/x").unlink()
    elif change == "link":
        (root / "a/link").unlink()
        (root / "a/link").symlink_to("y")
    elif change == "empty folder":
        tree(root, "a/none/z")
    else:
        (root / "a/b").chmod(0o700)

    assert not selection.is_as_found()


def test_special_files_and_empty_directories_stay_out(tmp_path):
    """Sockets, pipes and directories without files do not belong."""
    root = tree(tmp_path, "a/x")
    (root / "a/empty/deeper").mkdir(parents=True)
    os.mkfifo(root / "a/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "a/socket"))

    assert [one.path for one in FileSelection(root, NamedPaths(["a"])).files()] == ["a", "a/x"]


def test_named_paths_know_no_ignore_files(tmp_path):
    """``copy`` takes what it names, ignored or not; only bytecode and ``.git`` below stay out."""
    root = tree(
        tmp_path, ".gitignore", "a/keep.log", "a/.cache/x", "a/__pycache__/x.pyc", "a/.git/HEAD",
        "a/.venv/x", "b", "__pycache__/x", ".git/config",
    )  # fmt: skip
    (root / ".gitignore").write_text("*.log\na\n")

    assert paths(FileSelection(root, NamedPaths(["a"]))) == [
        "a/.cache/x",
        "a/.venv/x",
        "a/keep.log",
    ]
    assert paths(FileSelection(root, NamedPaths(["."]))) == [
        ".gitignore", "a/.cache/x", "a/.venv/x", "a/keep.log", "b",
    ]  # fmt: skip
    assert paths(FileSelection(root, NamedPaths([".git", "__pycache__"]))) == [
        ".git/config", "__pycache__/x",
    ]  # fmt: skip


def test_exact_files(tmp_path):
    """Loaded modules are taken by name, with the directories they are in."""
    root = tree(tmp_path, "a/b/c.py", "a/b/d.py", "a/e.py", "f/g.py")
    selection = FileSelection(root, ExactFiles(["a/b/c.py", "f/none.py"]))

    assert [one.path for one in selection.files()] == ["a", "a/b", "a/b/c.py"]


def test_source_leaves_habitual_litter_out(tmp_path):
    """Caches, bytecode, version control and virtual environments are not source."""
    root = tree(
        tmp_path, "main.py", "main.pyc", "pkg/__init__.py", "pkg/__pycache__/m.cpython-311.pyc",
        ".git/HEAD", ".hg/x", ".venv/bin/python", ".cache/x", ".mypy_cache/x", ".pytest_cache/x",
        ".ruff_cache/x", "pkg/.ipynb_checkpoints/x", ".DS_Store", "myenv/pyvenv.cfg", "myenv/lib/x",
        ".env", ".github/x",
    )  # fmt: skip

    assert source(root) == [".env", ".github/x", "main.py", "pkg/__init__.py"]


def test_source_follows_nested_gitignores(tmp_path):
    """Deeper files win, exceptions bring back, an excluded directory is closed."""
    root = tree(
        tmp_path, "a.log", "keep.log", "sub/b.log", "sub/deep/c.log", "out/x", "out/keep",
        "doc/out", "doc/x.tmp", "doc/y",
    )  # fmt: skip
    (root / ".gitignore").write_text("*.log\n!keep.log\n/out/\n!/out/keep\n# comment\n\n!\n")
    (root / "sub/.gitignore").write_text("!b.log\n")
    (root / "doc/.gitignore").write_text("*\n!y\n!.gitignore\n")

    assert source(root) == [
        ".gitignore", "doc/.gitignore", "doc/y", "keep.log", "sub/.gitignore", "sub/b.log",
    ]  # fmt: skip


def test_source_follows_gitignores_above_it(tmp_path):
    """In a repository the files above the source root count, outside one they do not."""
    root = tree(tmp_path, "repo/app/x.log", "repo/app/y", "repo/app/build/z")
    (root / "repo/.gitignore").write_text("*.log\n/app/build\n")

    assert source(root / "repo/app") == ["build/z", "x.log", "y"]
    (root / "repo/.git").mkdir()
    assert source(root / "repo/app") == ["y"]


def test_source_follows_dockerignore(tmp_path):
    """``.dockerignore`` counts with Docker's rules; an exception below an excluded folder works."""
    root = tree(tmp_path, "a/b.txt", "a/c.txt", "node/x/y", "node/keep/z", "README.md", "x.md")
    (root / ".dockerignore").write_text("node\n!node/keep\n*.md\n!README.md\n**/c.txt\n")

    assert source(root) == [".dockerignore", "README.md", "a/b.txt", "node/keep/z"]


def test_source_auto_takes_loaded_modules(tmp_path, monkeypatch):
    """``auto`` takes the Python files that are loaded from the source root, in their folders."""
    root = tree(
        tmp_path,
        "spec_sel_pkg/__init__.py",
        "spec_sel_pkg/used.py",
        "spec_sel_pkg/unused.py",
        "data.csv",
    )
    for file in root.rglob("*.py"):
        file.write_text("")
    monkeypatch.syspath_prepend(str(root))
    __import__("spec_sel_pkg.used")
    try:
        assert source(root, "auto") == ["spec_sel_pkg/__init__.py", "spec_sel_pkg/used.py"]
    finally:
        for name in ("spec_sel_pkg.used", "spec_sel_pkg"):
            del sys.modules[name]

    assert source(root, "auto") == [
        "data.csv", "spec_sel_pkg/__init__.py", "spec_sel_pkg/unused.py", "spec_sel_pkg/used.py",
    ]  # fmt: skip


def test_source_none_takes_nothing(tmp_path):
    """The mode ``none`` shares no folder at all."""
    spec = ImageSpec(source_root=str(tmp_path), source_copy_mode="none")

    assert spec.source_selection() is None
    assert ImageSpec().copy_selection() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="writes a name only some file systems allow")
def test_name_that_is_not_utf8_is_an_error(tmp_path):
    """A file name that cannot be sent is an error that shows it."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("")

    with pytest.raises(SpecError, match=r"not UTF-8: b'\\xff'"):
        FileSelection(tmp_path, NamedPaths(["."])).files()


def test_file_that_vanishes_is_an_error(tmp_path):
    """A file that goes away between listing and hashing is an error of ours."""
    root = tree(tmp_path, "a")
    selection = FileSelection(root, NamedPaths(["a"]))
    selection.files()
    (root / "a").unlink()

    with pytest.raises(SpecError, match="cannot read"):
        selection.digest()


# --- against git itself

parts = st.sampled_from(["a", "b", "c.py", "d.log", "build"])
files = st.lists(parts, min_size=1, max_size=4).map("/".join)
patterns = st.lists(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["", "", "/", "**/"]),
        st.one_of(
            files,
            st.sampled_from(
                [
                    "*",
                    "*.log",
                    "?",
                    "a/**",
                    "a/**/c.py",
                    "[ab]",
                    "b*",
                    "\\a",
                    "*/b",
                    "**",
                    "***/a",
                    "a**/b",
                    "[!a]",
                    "[^a-b]*",
                    "[]ab]",
                    "[a-]",
                    "[-a]",
                    "[[:alpha:]]",
                    "[[:nope:]]a",
                    "[b-a]",
                    "[\\a-c]",
                    "[a",
                    "a\\",
                    "\\!a",
                    "\\#a",
                    "a\\ ",
                    "*/",
                    "/*",
                    "/**",
                ]
            ),
            st.text(string.ascii_lowercase[:3] + "*?/[]!^\\ #.-:", max_size=6),
        ),
        st.sampled_from(["", "", "/", " "]),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(files, min_size=1, max_size=8), patterns, patterns)
@example(["a/a/a/b"], [], ["a**/b"])
@example(["a/a"], ["*", "!a/", "!a/**"], [])
def test_gitignore_as_git_reads_it(tmp_path_factory, names, top, nested):
    """For any patterns, the files left are those that git would add."""
    root = tmp_path_factory.mktemp("repo")
    for name in names:
        path = root / name
        if not any(parent.is_file() for parent in path.parents) and not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    (root / ".gitignore").write_text("\n".join(top))
    if (root / "a").is_dir():
        (root / "a" / ".gitignore").write_text("\n".join(nested))
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }  # fmt: skip

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q", "--template=")
    listed = git("-c", "core.quotePath=off", "ls-files", "-z", "-o", "--exclude-standard")

    assert paths(FileSelection(root, NotIgnored(root))) == sorted(
        (name for name in listed.split("\0") if name), key=lambda name: name.split("/")
    )
