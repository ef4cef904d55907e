"""The model of a build, by examples and by its laws."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from progress_streams import at, digest, log, recorded, told, transfer, vertex

from buildkit_spec.progress import BuildModel
from buildkit_spec.progress.model import LOG_TAIL_LINES
from buildkit_spec.values import BuildWarning, StatusUpdate, TransferStatus, VertexStatus


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def model_of(*updates):
    model = BuildModel(clock=lambda: 0.0)
    for update in updates:
        model.apply(update)
    return model


def only_step(*updates):
    (step,) = model_of(*updates).steps
    return step


def test_steps_are_in_the_order_they_began():
    """The daemon's times decide, numbers say who was told of first, and neither counts waiting."""
    model = model_of(
        told(vertex("late", 5, 6), vertex("waiting")),
        told(vertex("early", 1)),
        told(vertex("a", 5)),
    )

    assert [(step.name, step.number) for step in model.steps] == [
        ("early", 2),
        *sorted([("late", 1), ("a", 3)], key=lambda step: digest(step[0])),
    ]
    assert [(step.name, step.state, step.number) for step in model.pending] == [
        ("waiting", "pending", 0)
    ]


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "done"),
        ({"is_cached": True}, "cached"),
        ({"error": "exit code: 1"}, "failed"),
        ({"error": "rpc error: context canceled"}, "cancelled"),
    ],
)
def test_an_ended_step_says_how(more, state):
    """Cached, failed and cancelled steps are told apart."""
    step = only_step(told(vertex("a", 1)), told(vertex("a", 1, 3.5, **more)))

    assert step.state == state
    assert step.is_cached == (state == "cached")
    assert step.duration_s == (0 if state == "cached" else 2.5)
    assert step.has_ended


def test_a_running_step_counts_by_our_clock():
    """The daemon's clock may be off: what runs counts from when we were told."""
    clock = Clock()
    model = BuildModel(clock)
    model.apply(told(vertex("a", 5000)))
    clock.now += 2.5
    model.apply(told(vertex("a", 5000)))

    assert model.steps[0].duration_s == 2.5
    assert model.summary().running == 1


def test_a_restarted_step_runs_again_and_adds_its_times():
    """Started after its end, a step runs; what it ran before counts, once where it overlaps."""
    clock = Clock()
    model = BuildModel(clock)
    model.apply(told(vertex("a", 0, 1)))
    model.apply(told(vertex("a", 0.5, 2)))
    model.apply(told(vertex("a", 10)))
    clock.now += 3

    assert (model.steps[0].state, model.steps[0].duration_s) == ("running", 5.0)

    model.apply(told(vertex("a", 10, 11, is_cached=True)))

    assert (model.steps[0].state, model.steps[0].duration_s) == ("cached", 0.0)


def test_a_guess_that_a_running_input_is_cached_does_not_stand():
    """The input's own end comes later and counts."""
    step = only_step(
        told(vertex("a", 0)), told(vertex("a", 1, 1, is_cached=True)), told(vertex("a", 0, 4))
    )

    assert (step.state, step.duration_s) == ("done", 4.0)


def test_finish_cancels_what_still_runs():
    """A stream that was cut off leaves no step running, and time stands still after it."""
    clock = Clock()
    model = BuildModel(clock)
    model.apply(told(vertex("a", 0), vertex("b", 0, 1)))
    clock.now += 1
    cut = model.finish()
    clock.now += 10

    assert [step.name for step in cut.steps] == ["a"]
    assert {step.name: (step.state, step.duration_s) for step in model.steps} == {
        "a": ("cancelled", 1.0),
        "b": ("done", 1.0),
    }


def test_transfers_are_summed_and_only_grow():
    """Bytes of a step are those of its transfers; an older message changes nothing."""
    step = only_step(
        told(vertex("pull", 0), transfer("layer", "pull", 50, 100), transfer("more", "pull", 7)),
        told(transfer("layer", "pull", 20, 100)),
        told(transfer("layer", "pull", 100, 100, completed=2)),
    )

    assert (step.current_bytes, step.total_bytes) == (107, 107)
    assert [(one.id, one.is_done, one.duration_s) for one in step.transfers] == [
        ("layer", True, 2.0),
        ("more", False, 0.0),
    ]


def test_the_log_tail_is_bounded_and_holds_the_unfinished_line():
    """The last lines are kept, with the one that has no end yet."""
    text = "".join(f"{number}\n" for number in range(100)) + "rest"
    step = only_step(told(vertex("a", 0), log("a", text.encode())))

    assert step.log_tail[-2:] == ("99", "rest")
    assert len(step.log_tail) == LOG_TAIL_LINES


def test_streams_of_a_step_do_not_mix_within_a_line():
    """Half a line of standard output waits while standard error goes on."""
    step = only_step(
        told(vertex("a", 0), log("a", b"out "), log("a", b"err\n", stream=2), log("a", b"put\n"))
    )

    assert step.log_tail == ("err", "out put")


def test_names_are_one_clean_line():
    """Nothing a step is called can break a display."""
    step = only_step(told(vertex("\x1b[2Jrun a\nb", 0)))

    assert step.name == "run a b"


def test_summary_counts_leave_out_internal_steps():
    """Counts are of what people asked for; an internal step that failed counts."""
    summary = model_of(
        told(
            vertex("a", 0, 1),
            vertex("b", 1, 5),
            vertex("c", 5, 5, is_cached=True),
            vertex("[internal] load", 0, 9),
            vertex("[internal] break", 0, 1, error="no"),
        )
    ).summary()

    assert (summary.done, summary.cached, summary.failed, summary.total) == (2, 1, 1, 4)
    assert (summary.slowest.name, summary.duration_s) == ("b", 9.0)


def test_all_cached_asks_only_steps_with_inputs():
    """Sources are looked up anew each time and exports are never cached: they do not count."""
    source, export = vertex("image", 0, 1), vertex("exporting", 2, 3)
    inputs = (digest("image"),)
    cached = vertex("a", 1, 1, is_cached=True, inputs=inputs)

    assert model_of(told(source, cached, export)).summary().is_all_cached
    assert not model_of(told(source, export)).summary().is_all_cached
    assert (
        not model_of(told(source, cached, vertex("b", 1, 2, inputs=inputs))).summary().is_all_cached
    )


def test_changes_tell_what_an_update_was_about():
    """Steps, ended lines with their time in the step, and warnings that are new."""
    model = model_of(told(vertex("a", 1), vertex("b", 1)))
    warning = BuildWarning(digest("a"), "old base")
    update = told(log("a", b"x\ny", 1.5), warning)
    changes = model.apply(update)

    assert [step.name for step in changes.steps] == ["a"]
    assert [(line.text, line.offset_s) for line in changes.lines] == [("x", 0.5)]
    assert changes.warnings == (warning,)
    assert model.apply(told(warning)).warnings == ()


def test_a_recorded_failure_ends_as_it_did():
    """A stream of a real daemon: two branches merged, then a command with exit code 3."""
    model = model_of(*recorded("recorded_failure"))
    states = {step.name: step.state for step in model.steps}

    assert states["[apt] install jq"] == "done"
    assert states["[commands] boom"] == "failed"
    assert not any(step.state == "running" for step in model.steps)
    boom = next(step for step in model.steps if step.state == "failed")
    assert boom.log_tail == ("about to fail",)
    assert boom.error.endswith("exit code: 3")


names = st.sampled_from(["a", "b", "[internal] c"])
moments = st.one_of(st.none(), st.integers(0, 6))


def facts():
    """Messages that a daemon may send about steps and transfers, sensible or not."""
    steps = st.builds(
        lambda name, started, completed, is_cached, error, inputs: vertex(
            name, started, completed, is_cached=is_cached, error=error, inputs=inputs
        ),
        names,
        moments,
        moments,
        st.booleans(),
        st.sampled_from(["", "boom", "context canceled"]),
        st.sampled_from([(), (digest("a"),)]),
    )
    moved = st.builds(
        transfer,
        st.sampled_from(["layer", "pushing"]),
        names,
        st.integers(-1, 9),
        st.integers(0, 9),
        moments,
        moments,
    )
    warned = st.builds(
        lambda name, text: BuildWarning(digest(name), text), names, st.sampled_from("xy")
    )
    return st.one_of(steps, moved, warned)


chunks = st.builds(
    log,
    names,
    st.binary(max_size=4) | st.sampled_from([b"a\r", b"\n"]),
    moments,
    st.sampled_from([1, 2]),
)


@st.composite
def tellings(draw, items, output):
    """One way of telling the same: shuffled, repeated, cut, in updates of any size."""
    told_items = draw(st.permutations(items + draw(st.lists(st.sampled_from(items), max_size=4))))
    pieces = []
    for chunk in output:
        cut = draw(st.integers(0, len(chunk.data)))
        pieces += [
            dataclasses.replace(chunk, data=chunk.data[:cut]),
            dataclasses.replace(chunk, data=chunk.data[cut:]),
        ]
    merged = list(told_items)
    place = 0
    for piece in pieces:
        place = draw(st.integers(place, len(merged)))
        merged.insert(place, piece)
        place += 1
    updates = []
    while merged:
        size = draw(st.integers(1, len(merged)))
        updates.append(told(*merged[:size]))
        merged = merged[size:]
    return updates


def state_of(model):
    steps = [dataclasses.replace(step, number=0) for step in model.steps]
    return steps, model.pending, dataclasses.replace(model.summary(), slowest=None)


@settings(deadline=None)
@given(
    st.lists(facts(), min_size=1, max_size=8).flatmap(
        lambda items: st.lists(chunks, max_size=4).flatmap(
            lambda output: st.tuples(tellings(items, output), tellings(items, output))
        )
    )
)
def test_the_model_is_the_same_however_it_was_told(both):
    """Order of facts, repetition, and where updates and output are cut change nothing."""
    first, second = (model_of(*updates) for updates in both)

    assert state_of(first) == state_of(second)
    for model in (first, second):
        numbers = sorted(step.number for step in model.steps)
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_model_takes_times_without_a_zone_as_utc():
    """Naive and aware times of one stream can be compared."""
    naive = at(1).replace(tzinfo=None)
    step = only_step(
        StatusUpdate((VertexStatus(digest("a"), "a", started=naive, completed=at(3)),)),
        StatusUpdate(transfers=(TransferStatus("x", digest("a"), started=datetime.min),)),
    )

    assert step.duration_s == 2.0
