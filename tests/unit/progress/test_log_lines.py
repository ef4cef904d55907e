"""Bytes made into lines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from buildkit_spec.progress.lines import LINE_LIMIT_BYTES, LineSplitter, clean, one_line


def lines_of(*chunks):
    splitter = LineSplitter()
    ended = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*ended, splitter.partial]


def test_splitter_joins_what_chunks_cut_apart():
    """A line and a character may be cut between chunks."""
    assert lines_of(b"one\ntw", "o é".encode()[:-1], "é".encode()[-1:] + b"\n") == [
        "one",
        "two é",
        "",
    ]


def test_splitter_keeps_the_last_text_of_an_overwritten_line():
    """Of a progress bar only its last state is told, also when the line was then erased."""
    assert lines_of(b"10%\r50%\r100%\n") == ["100%", ""]
    assert lines_of(b"10%\r100%\r\x1b[K\n") == ["100%", ""]
    assert lines_of(b"10%\r") == ["10%"]


def test_splitter_takes_carriage_return_and_newline_as_one_end():
    """DOS line ends leave no trace, wherever they are cut."""
    assert lines_of(b"one\r", b"\ntwo\r\n") == ["one", "two", ""]


def test_splitter_cuts_an_endless_line():
    """What is kept of one line is bounded; the next line is whole again."""
    first, second, rest = lines_of(b"x" * (2 * LINE_LIMIT_BYTES), b"x\nshort\n")

    assert (len(first), second, rest) == (LINE_LIMIT_BYTES, "short", "")


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\x1b[1m", "é".encode(), b"\xff", b" "])))
def test_splitter_does_not_depend_on_how_output_was_cut(pieces):
    """One chunk, many, or single bytes: the same lines."""
    whole = b"".join(pieces)

    assert lines_of(*(whole[n : n + 1] for n in range(len(whole)))) == lines_of(whole)


@settings(deadline=None)
@given(st.text())
def test_clean_leaves_nothing_that_moves_a_cursor(text):
    """No control character but the tab is left, and cleaning again changes nothing."""
    cleaned = clean(text)

    assert all((char >= " " and char != "\x7f") or char == "\t" for char in cleaned)
    assert clean(cleaned) == cleaned


def test_clean_removes_colours_titles_and_links():
    """Escape sequences go whole."""
    link = "\x1b]8;;http://host/\x1b\\text\x1b]8;;\x1b\\"

    assert clean(f"\x1b[1;31mred\x1b[0m \x1b]0;title\x07{link}\x1b(B") == "red text"


def test_one_line_folds_a_here_document():
    """Newlines become spaces."""
    assert one_line("RUN <<EOF\n  a\n\tb\nEOF") == "RUN <<EOF a b EOF"
