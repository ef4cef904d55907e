"""JSON lines, object by object."""

from __future__ import annotations

import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from progress_streams import digest, log, recorded, told, transfer, vertex

from buildkit_spec.progress import open_display
from buildkit_spec.values import BuildWarning


def text_of(*updates, name=""):
    stream = io.StringIO()
    with open_display("json", stream) as display:
        build = display.for_build(name)
        for update in updates:
            build.update(update)
    return stream.getvalue()


def events_of(*updates, name=""):
    return [json.loads(line) for line in text_of(*updates, name=name).splitlines()]


def test_json_is_one_stable_object_a_line():
    """The schema, byte for byte."""
    who = f'"step": 1, "digest": "{digest("a")}", "name": "a"'

    assert text_of(
        told(vertex("a", 0)),
        told(log("a", "é\nrest".encode(), 0.5, stream=2)),
        told(transfer("layer", "a", 5, 10)),
        told(transfer("layer", "a", 10, 10, completed=1), BuildWarning(digest("a"), "old")),
        told(vertex("a", 0, 2, error="exit code: 1", group="g")),
    ).splitlines() == [
        f'{{"type": "step", "time": "2026-01-02T03:04:05.000Z", {who}, "state": "running"}}',
        f'{{"type": "log", "time": "2026-01-02T03:04:05.500Z", {who}, "stream": 2, "log": "é"}}',
        f'{{"type": "transfer", "time": "2026-01-02T03:04:05.500Z", {who}, "transfer": "layer", '
        '"bytes": {"current": 5, "total": 10}, "is_done": false}',
        f'{{"type": "transfer", "time": "2026-01-02T03:04:06.000Z", {who}, "transfer": "layer", '
        '"bytes": {"current": 10, "total": 10}, "is_done": true}',
        f'{{"type": "warning", "time": "2026-01-02T03:04:06.000Z", {who}, "warning": "old"}}',
        f'{{"type": "log", "time": "2026-01-02T03:04:07.000Z", {who}, "group": "g", "stream": 2, '
        '"log": "rest"}',
        f'{{"type": "step", "time": "2026-01-02T03:04:07.000Z", {who}, "group": "g", '
        '"state": "failed", "duration_s": 2.0, "error": "exit code: 1", '
        '"bytes": {"current": 10, "total": 10}}',
        '{"type": "summary", "time": "2026-01-02T03:04:07.000Z", "duration_s": 2.0, "done": 0, '
        '"cached": 0, "failed": 1, "cancelled": 0}',
    ]


def test_json_names_the_build_when_there_are_several():
    """Each object says which build it is about, the summary too."""
    assert {event["build"] for event in events_of(told(vertex("a", 0)), name="web")} == {"web"}


def test_json_does_not_repeat_itself():
    """The same message again is no event, and a transfer is told of a dozen times at most."""
    moving = [told(vertex("a", 0), transfer("layer", "a", now, 1000)) for now in range(1000)]
    kinds = [event["type"] for event in events_of(*moving)]

    assert (kinds.count("step"), kinds.count("transfer")) == (2, 10)


def test_json_says_what_was_cut_off():
    """A step that ran when the stream ended is cancelled before the summary."""
    last = events_of(told(vertex("a", 0)))[-2:]

    assert [(event["type"], event.get("state")) for event in last] == [
        ("step", "cancelled"),
        ("summary", None),
    ]


def test_json_of_a_recorded_failure():
    """A real daemon's stream: the last object about each step says how it ended."""
    events = events_of(*recorded("recorded_failure"))
    ends = {event["name"]: event for event in events if event["type"] == "step"}

    assert ends["[commands] boom"]["state"] == "failed"
    assert ends["[apt] install jq"]["state"] == "done"
    assert events[-1]["type"] == "summary"
    assert events[-1]["failed"] == 1


names = st.sampled_from(["a", "b"])
moments = st.one_of(st.none(), st.integers(0, 6))
items = st.one_of(
    st.builds(lambda name, one, two: vertex(name, one, two), names, moments, moments),
    st.builds(lambda name, data, moment: log(name, data, moment), names, st.binary(), moments),
    st.builds(lambda id, name, now: transfer(id, name, now), st.text(), names, st.integers()),
)


@settings(deadline=None)
@given(st.lists(items))
def test_json_takes_any_stream(stream):
    """Whatever comes, every line is an object with type and time, and the last is the summary."""
    events = events_of(*map(told, stream))

    assert all({"type", "time"} <= event.keys() for event in events)
    assert events[-1]["type"] == "summary"
