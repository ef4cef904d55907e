"""Patterns of paths, against what Go's ``moby/patternmatcher`` answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.session._patterns import PatternError, Patterns, clean, is_wild


def is_matched(patterns: list[str], path: str) -> bool:
    """Whether a path is matched, its directories asked about first, as in a walk."""
    matcher = Patterns(patterns)
    names = path.split("/")
    by: tuple[bool, ...] = ()
    result = False
    for depth in range(1, len(names) + 1):
        result, by = matcher.match("/".join(names[:depth]), by)
    return result


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["a"], "a", True),
        (["a"], "a/b/c", True),
        (["a"], "b/a", False),
        (["a/"], "a/b", True),
        ([" a "], "a", True),
        (["./a/../b"], "b", True),
        (["/a"], "a", False),
        (["*"], "a/b", True),
        (["*.py"], "a.py", True),
        (["*.py"], "b/a.py", False),
        (["*/a"], "b/a", True),
        (["*/a"], "b/c/a", False),
        (["?"], "é", True),
        (["?"], "ab", False),
        (["a?b"], "a/b", False),
        (["**"], "a/b/c", True),
        (["**/a"], "a", True),
        (["**/a"], "b/c/a", True),
        (["**/a"], "ba", False),
        (["**a"], "b/ca", True),
        (["**/*.py"], "b/c/a.py", True),
        (["a/**"], "a/b/c", True),
        (["a/**"], "a", False),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a**"], "abc/d", True),
        (["[a-c]"], "b", True),
        (["[^a-c]"], "b", False),
        (["[^a-c]"], "d", True),
        (["[\\]]"], "]", True),
        (["x]"], "x]", True),
        (["\\*"], "*", True),
        (["\\*"], "a", False),
        (["a.b+(c)|{d}$"], "a.b+(c)|{d}$", True),
        (["a.b"], "aXb", False),
        (["a\n*"], "a\nb", True),
        (["*", "!a"], "a", False),
        (["*", "!a"], "b", True),
        (["a", "!a/b"], "a/b", False),
        (["a", "!a/b"], "a/c", True),
        (["a", "!a/b", "a/b/c"], "a/b/c", True),
        (["a", "!a/b", "a/b/c"], "a/b/d", False),
        (["!a"], "a", False),
        ([], "a", False),
        (["", "  "], "a", False),
    ],
)
def test_patterns_match(patterns: list[str], path: str, expected: bool) -> None:
    """A list of patterns matches what Go's does."""
    assert is_matched(patterns, path) is expected


@pytest.mark.parametrize("pattern", ["!", "[", "[]", "[a", "[]a]", "[a-]", "[b-a]", "a\\"])
def test_pattern_without_meaning_is_refused(pattern: str) -> None:
    """A pattern that is none is an error with words, not a match of nothing."""
    with pytest.raises(PatternError):
        Patterns([pattern])


@given(st.lists(st.text("ab*?[]^-\\!/. é", max_size=8), max_size=4), st.text("ab/.", max_size=8))
def test_any_patterns_match_or_are_refused(patterns: list[str], path: str) -> None:
    """No text raises anything but `PatternError`."""
    try:
        matcher = Patterns(patterns)
    except PatternError:
        return
    matcher.match(path, ())


@given(st.lists(st.sampled_from(["a", "b/c", "a*", "**/c", "!a", "!b", "!b/c", "a/b/**"])))
def test_directory_that_is_not_entered_holds_no_match(patterns: list[str]) -> None:
    """What may not match below a directory indeed does not."""
    matcher = Patterns(patterns)
    for directory in ("a", "b", "a/b"):
        for name in ("a", "c", "b/c"):
            path = f"{directory}/{name}"
            is_entered = matcher.may_match_below(directory, is_exception=False)
            if not is_entered and not is_matched(patterns, directory):
                assert not is_matched(patterns, path)


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("a//b/", "a/b"), ("//a", "/a"), ("./a/./b/..", "a"), ("", "."), ("../a", "../a")],
)
def test_clean_is_gos(path: str, cleaned: str) -> None:
    """Paths are cleaned as Go's ``filepath.Clean`` does."""
    assert clean(path) == cleaned


def test_escaped_wildcard_is_none() -> None:
    """A backslash takes a wildcard's meaning away."""
    assert [is_wild(name) for name in ("a*", "a\\*", "\\\\*", "a[", "?", "a")] == [
        True,
        False,
        True,
        True,
        True,
        False,
    ]
