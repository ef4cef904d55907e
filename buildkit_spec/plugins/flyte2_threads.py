"""From Flyte's event loop to our threads: a thread of its own for every image."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T], on_cancel: Callable[[], None] | None = None) -> _T:
    """Return what *work* returns, or raise what it raises, without keeping the loop from others.

    The loop's own pool has too few threads for many images, and the process would wait for it after
    a Ctrl-C.

    Args:
        work: Runs on a thread.
        on_cancel: Called when nobody waits for it any more.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        def once() -> None:
            if not answer.done():
                set_it()

        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(once)

    def run() -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
            settle(lambda: answer.set_exception(failure))
        else:
            settle(lambda: answer.set_result(value))

    threading.Thread(target=run, name="image", daemon=True).start()
    try:
        return await answer
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        raise
