"""The log for CI, as text."""

from __future__ import annotations

import io
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from progress_streams import digest, log, recorded, told, transfer, vertex

from buildkit_spec.progress import open_display
from buildkit_spec.values import BuildWarning


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self):
        return self.now


def text_of(*updates):
    stream = io.StringIO()
    with open_display("plain", stream) as display:
        build = display.for_build("")
        for update in updates:
            build.update(update)
    return stream.getvalue()


def test_plain_tells_of_a_build_line_by_line():
    """Each step has its header, its lines and its end; a cached one says so."""
    text = text_of(
        told(vertex("[apt] install jq", 0)),
        told(log("[apt] install jq", b"Get:1 jq\nhal", 0.412)),
        told(log("[apt] install jq", b"f\nrest", 0.5)),
        told(vertex("[apt] install jq", 0, 0.6), vertex("[pip] x", 1, 1, is_cached=True)),
        told(vertex("[commands] boom", 2)),
        told(vertex("[commands] boom", 2, 3, error="exit code: 1\nsecond line")),
        told(vertex("slow", 3)),
    )

    assert text == (
        "#1 [apt] install jq\n"
        "#1 0.412 Get:1 jq\n"
        "#1 0.500 half\n"
        "#1 0.600 rest\n"
        "#1 DONE 0.6s\n"
        "#2 [pip] x\n"
        "#2 CACHED\n"
        "#3 [commands] boom\n"
        "#3 ERROR: exit code: 1 second line\n"
        "#4 slow\n"
        "#4 CANCELED\n"
    )


def test_plain_folds_internal_steps_to_one_line():
    """Internal steps take one line; one that fails or has something to say is shown whole."""
    text = text_of(
        told(vertex("[internal] load", 0), vertex("[internal] read", 0.5)),
        told(vertex("[internal] load", 0, 1)),
        told(log("[internal] read", b"why\n", 1.5)),
        told(vertex("[internal] read", 0, 2, error="gone")),
    )

    assert text == (
        "#1 [internal] load DONE 1.0s\n#2 [internal] read\n#2 1.000 why\n#2 ERROR: gone\n"
    ) or text == (
        "#2 [internal] load DONE 1.0s\n#1 [internal] read\n#1 1.000 why\n#1 ERROR: gone\n"
    )


def test_plain_waits_for_what_follows_a_key():
    """A step whose cache key was computed first is told of once: cached."""
    text = text_of(
        told(vertex("a", 0)),
        told(vertex("a", 0, 0.01)),
        told(vertex("a", 0.02, 0.02, is_cached=True)),
    )

    assert text == "#1 a\n#1 CACHED\n"


def test_plain_tells_a_quick_step_once_the_stream_goes_on():
    """What settled is told with the next update, or at the end."""
    first, second = told(vertex("a", 0, 0.01)), told(vertex("b", 2, 3))

    assert text_of(first, second) == "#2 b\n#2 DONE 1.0s\n#1 a\n#1 DONE 0.0s\n"
    assert text_of(first) == "#1 a\n#1 DONE 0.0s\n"


def test_plain_does_not_repeat_an_end_that_says_the_same():
    """A source that is looked up again and again is told of once."""
    ends = [told(vertex("image", start, start + 0.001)) for start in range(5)]

    assert text_of(told(vertex("image", 0, 1)), *ends[1:]) == "#1 image\n#1 DONE 1.0s\n"


def test_plain_sums_transfers_up():
    """A thousand messages about layers are a line every ten seconds and one figure at the end."""
    clock = Clock()
    stream = io.StringIO()
    with open_display("plain", stream, clock=clock) as display:
        update = display.for_build("").update
        for number in range(1000):
            clock.now = number / 50
            update(told(vertex("pull", 0), transfer("layer", "pull", number * 1000, 1_000_000)))
        update(told(transfer("pushing layers", "pull", completed=2)))
        update(told(transfer("extracting sha256:00", "pull", completed=2)))
        update(told(transfer("layer", "pull", 1_000_000, 1_000_000), vertex("pull", 0, 20)))

    assert stream.getvalue() == (
        "#1 pull\n#1 500.0 kB / 1.0 MB\n#1 pushing layers 2.0s\n#1 DONE 20.0s, 1.0 MB\n"
    )


def test_plain_shows_warnings_groups_and_no_escape():
    """A warning has a line, a group goes before the name, colours are gone."""
    text = text_of(
        told(
            vertex("a", 0, group="web"),
            BuildWarning(digest("a"), "base is old\x1b[0m"),
            log("a", b"\x1b[31mred\x1b[0m\r\n", 0.5),
        )
    )

    assert text == "#1 web: a\n#1 0.500 red\n#1 WARNING: base is old\n#1 CANCELED\n"


def test_plain_names_the_build_on_every_line_when_there_are_several():
    """Two builds at once keep their own numbers."""
    stream = io.StringIO()
    with open_display("plain", stream) as display:
        web, batch = display.for_build("web"), display.for_build("batch")
        web.update(told(vertex("a", 0)))
        batch.update(told(vertex("b", 0)))
        web.update(told(vertex("a", 0, 1)))
        batch.close()

    assert stream.getvalue() == ("web #1 a\nbatch #1 b\nweb #1 DONE 1.0s\nbatch #1 CANCELED\n")


def test_plain_of_a_recorded_failure():
    """A real daemon's stream reads as a log."""
    lines = text_of(*recorded("recorded_failure")).splitlines()

    assert "#2 [apt] install jq" in lines or "#3 [apt] install jq" in lines
    assert any(re.fullmatch(r"#\d \d\.\d{3} about to fail", line) for line in lines)
    assert any(line.endswith("exit code: 3") and " ERROR: " in line for line in lines)
    assert not any("p 1" in line for line in lines)
    assert sum(1 for line in lines if line.endswith("[commands] boom")) == 1


names = st.sampled_from(["a", "b", "[internal] c"])
moments = st.one_of(st.none(), st.integers(0, 6))
items = st.one_of(
    st.builds(lambda name, one, two: vertex(name, one, two), names, moments, moments),
    st.builds(lambda name, data, moment: log(name, data, moment), names, st.binary(), moments),
    st.builds(
        lambda id, name, now, all: transfer(id, name, now, all),
        st.text(),
        names,
        st.integers(),
        st.integers(),
    ),
)


@settings(deadline=None)
@given(st.lists(items))
def test_plain_takes_any_stream(stream):
    """Whatever comes, nothing is raised and every line names its step."""
    for line in text_of(*map(told, stream)).splitlines():
        assert re.match(r"#[1-9]\d* \S", line)
