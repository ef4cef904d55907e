"""The parts of one build, side by side: each on a thread of its own, until one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_GLANCE_S = 0.5


def in_parallel(function: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """Call *function* with every item at once, and return what it makes of them, in their order.

    The first error ends the wait, and so does Ctrl-C. Calls that still run then are left alone:
    they belong to a build that is about to end, and end with it.

    Args:
        function: Safe to call from several threads.
        items: A single one is handled on this thread.

    Raises:
        Exception: What the first call that failed raised, as it was.
    """
    if len(items) == 1:
        return [function(items[0])]
    futures: list[Future[Made]] = []
    for item in items:
        future: Future[Made] = Future()
        futures.append(future)
        Thread(target=_settle, args=(future, function, item), name=f"{item}", daemon=True).start()
    # A signal that comes right before a wait is seen after it only: wait in bits.
    while wait(futures, _GLANCE_S, FIRST_EXCEPTION).not_done:
        for future in futures:
            if future.done():
                future.result()
    return [future.result() for future in futures]


def _settle(future: Future[Made], function: Callable[[Item], Made], item: Item) -> None:
    try:
        future.set_result(function(item))
    except BaseException as error:  # noqa: BLE001 - raised on the thread that waits
        future.set_exception(error)
