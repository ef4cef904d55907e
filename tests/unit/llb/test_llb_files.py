"""File actions: paths as Go cleans them, owners, modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec import llb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import _paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "."),
        ("//", "/"),
        ("//a//b/", "/a/b"),
        ("///a", "/a"),
        ("/../a", "/a"),
        ("a/../..", ".."),
        ("./a/.", "a"),
    ],
)
def test_clean_follows_go(path: str, expected: str) -> None:
    """Paths are cleaned as Go's path.Clean does, two leading slashes included."""
    assert _paths.clean(path) == expected


@pytest.mark.parametrize(
    ("cwd", "path", "expected"),
    [
        ("/w", "a", "/w/a"),
        ("/w", "a/", "/w/a/"),
        ("/w", "/a/.", "/a/."),
        ("/", "/", "/"),
        ("/", "/.", "/."),
        ("/w", ".", "/w"),
        ("/w", "./", "/w/"),
        ("/w", "..", "/"),
    ],
)
def test_destination_keeps_what_means_into(cwd: str, path: str, expected: str) -> None:
    """A copy's trailing slash, or slash and dot, is kept."""
    assert _paths.destination(cwd, path) == expected


@given(st.text("/.ab", max_size=12))
def test_clean_is_settled_after_one_time(path: str) -> None:
    """Cleaning a clean path changes nothing, and an absolute path stays absolute."""
    once = _paths.clean(path)

    assert _paths.clean(once) == once
    assert once.startswith("/") == path.startswith("/")


@given(st.text("/.ab", max_size=12), st.text("/.ab", max_size=12))
def test_join_of_an_absolute_parent_is_absolute(parent: str, path: str) -> None:
    """Joined paths never leave the root."""
    joined = _paths.join(f"/{parent}", path)

    assert joined.startswith("/")
    assert ".." not in joined.split("/")


@pytest.mark.parametrize(
    ("chown", "expected"),
    [
        (llb.Chown("app:staff"), llb.Chown("app", "staff")),
        (llb.Chown("app"), llb.Chown("app", None)),
        (llb.Chown("1:2"), llb.Chown("1", "2")),
    ],
)
def test_chown_text_is_split(chown: llb.Chown, expected: llb.Chown) -> None:
    """``user:group`` is two names, each of which may be a number."""
    assert chown == expected


def test_chown_by_number_is_the_same_as_text_or_int() -> None:
    """A number means an id however it is written."""

    def head(chown: llb.Chown) -> object:
        return llb.scratch().file(llb.mkdir("/a", chown=chown)).marshal().head

    assert head(llb.Chown("1000:0")) == head(llb.Chown(1000, 0)) == head(llb.Chown("1000", "root"))
    assert head(llb.Chown(":5")) == head(llb.Chown(0, 5))
    assert head(llb.Chown("99999999999")) != head(llb.Chown(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: llb.mkdir("/a", mode=0o1777),
        lambda: llb.mkfile("/a", b"", mode=0o4755),
        lambda: llb.mkfile("/a", b"", mode=-1),
        lambda: llb.copy(llb.scratch(), "/", "/", mode=0o10000),
        lambda: llb.Chown(-1),
        lambda: llb.Chown(0, 2**31),
        lambda: llb.scratch().file(),
        lambda: llb.ActionChain(llb.scratch(), ()),
    ],
)
def test_actions_refuse_what_daemons_would_drop(make: object) -> None:
    """Bits and ids that do not fit are errors, not other bits and ids."""
    with pytest.raises(InvalidVertexError):
        make()  # type: ignore[operator]


def test_copy_from_one_chain_twice_does_its_actions_once() -> None:
    """A chain that two copies read is in the vertex once."""
    chain = llb.ActionChain(llb.scratch(), (llb.mkfile("/a", "a"),))
    state = llb.scratch().file(llb.copy(chain, "/a", "/b"), llb.copy(chain, "/a", "/c"))

    assert state.marshal().to_text().count("mkfile /a,") == 1 + 1  # headline and action


def test_mkfile_text_is_utf8() -> None:
    """A text and its UTF-8 bytes make one vertex."""
    text = llb.scratch().file(llb.mkfile("/a", "grüße"))
    data = llb.scratch().file(llb.mkfile("/a", "grüße".encode()))

    assert text.marshal() == data.marshal()
