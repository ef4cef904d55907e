"""Parts of a build that run side by side."""

from __future__ import annotations

import threading

import pytest

from buildkit_spec.parallel import in_parallel

_PATIENCE_S = 30.0


def test_parallel_calls_run_at_once_and_answer_in_order() -> None:
    """Each call waits for all others, so they run together; answers come in the items' order."""
    barrier = threading.Barrier(3)

    def make(item: int) -> int:
        barrier.wait(_PATIENCE_S)
        return item * 2

    assert in_parallel(make, [3, 1, 2]) == [6, 2, 4]


def test_parallel_single_call_stays_on_this_thread() -> None:
    """A single call is made on the caller's thread, which gets the Ctrl-C."""
    assert in_parallel(lambda _: threading.get_ident(), [1]) == [threading.get_ident()]


def test_parallel_error_does_not_wait_for_the_others() -> None:
    """The first error is raised as it was, while another call still runs."""
    is_over, failure = threading.Event(), LookupError("no")

    def make(item: str) -> bool:
        if item == "bad":
            raise failure
        return is_over.wait(_PATIENCE_S)

    with pytest.raises(LookupError) as caught:
        in_parallel(make, ["slow", "bad"])

    assert caught.value is failure
    assert not is_over.is_set()
    is_over.set()
