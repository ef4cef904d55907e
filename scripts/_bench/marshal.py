"""How fast graphs become bytes."""

from __future__ import annotations

import time

from _bench.timing import in_turn, report
from buildkit_spec import llb

VERTICES = 10_000


def measure() -> None:
    """Build and marshal a chain and a wide graph of 10 000 vertices each, medians of five."""
    report(
        in_turn(
            {
                f"chain of {VERTICES} commands": lambda _: _timed(_chain()),
                f"merge of {VERTICES} files": lambda _: _timed(_wide()),
            }
        )
    )


def _chain() -> llb.State:
    state = llb.image("docker.io/library/debian:12")
    for number in range(VERTICES - 1):
        state = state.run(["/bin/step", str(number)], name=f"step {number}").root
    return state


def _wide() -> llb.State:
    return llb.merge(
        [llb.scratch().file(llb.mkfile(f"/{number}", b"x")) for number in range(VERTICES)]
    )


def _timed(state: llb.State) -> float:
    started = time.perf_counter()
    definition = state.marshal()
    took = time.perf_counter() - started
    assert len(definition.ops) > VERTICES
    return took
