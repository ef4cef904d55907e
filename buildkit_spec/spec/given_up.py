"""Long work of a spec's that nobody waits for any more: files of many gigabytes being hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_given_up: ContextVar[Callable[[], bool]] = ContextVar("is_given_up", default=lambda: False)


@contextmanager
def ending_when(is_given_up: Callable[[], bool]) -> Iterator[None]:
    """Let what this thread does in the block end soon after *is_given_up* says so.

    What ends so raises SolveCanceledError. A thread that Ctrl-C reaches needs none of this.
    """
    before = _is_given_up.set(is_given_up)
    try:
        yield
    finally:
        _is_given_up.reset(before)


def given_up() -> Callable[[], bool]:
    """Return what tells whether this thread's work is given up; never so outside such a block."""
    return _is_given_up.get()
