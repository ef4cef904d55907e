"""``.dockerignore`` patterns, as Docker reads them."""

from __future__ import annotations

import pytest

from buildkit_spec.errors import SpecError
from buildkit_spec.spec.dockerignore import DockerIgnore


@pytest.mark.parametrize(
    ("pattern", "ignored", "kept"),
    [
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("./a", ["a"], ["b/a"]),
        ("x/../a", ["a"], ["x/a"]),
        ("../a", ["a"], ["b/a"]),
        ("*", ["a", "a/b"], []),
        ("*/b", ["a/b", "a/b/c"], ["b", "a/c/b"]),
        ("*.py", ["x.py"], ["a/x.py", "x.pyc"]),
        ("**/*.py", ["x.py", "a/x.py", "a/b/x.py"], ["x.pyc"]),
        ("**", ["a", "a/b"], []),
        ("a/**", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a", "b"]),
        ("a?c", ["abc"], ["ac", "a/c", "abbc"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("\\*x", ["*x"], ["ax"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a+b", ["a+b"], ["aab"]),
        (" a ", ["a"], []),
        ("# a", [], ["a", "# a"]),
        ("", [], ["a"]),
        (".", [], ["a"]),
        ("/", [], ["a"]),
        ("!a", [], ["a"]),
    ],
)
def test_pattern(pattern, ignored, kept):
    """A pattern ignores what it matches and all that is below it."""
    rules = DockerIgnore([pattern])

    assert [path for path in ignored if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


@pytest.mark.parametrize(
    ("lines", "ignored", "kept"),
    [
        (["*", "!a"], ["b"], ["a", "a/b"]),
        (["a", "!a/b", "a/b/c"], ["a", "a/x", "a/b/c"], ["a/b", "a/b/d"]),
        (["!a", "a"], ["a"], []),
        (["*.md", "!README*.md", "README-secret.md"], ["x.md", "README-secret.md"], ["README.md"]),
    ],
)
def test_last_match_decides(lines, ignored, kept):
    """Patterns are read in order; an exception brings back what an earlier one took out."""
    rules = DockerIgnore(lines)

    assert [path for path in ignored if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


def test_directory_is_closed_only_without_exceptions():
    """An ignored directory is walked when an exception might bring something of it back."""
    assert DockerIgnore(["a"]).prunes("a")
    assert not DockerIgnore(["a", "!a/b"]).prunes("a")


def test_malformed_pattern_is_an_error():
    """A pattern Docker would refuse is refused, with the pattern."""
    with pytest.raises(SpecError, match=r"malformed pattern: '\[a'"):
        DockerIgnore(["[a"])
