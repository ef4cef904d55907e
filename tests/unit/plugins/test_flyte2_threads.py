"""Work on threads, awaited by an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from buildkit_spec.plugins.flyte2_threads import in_thread


def test_many_wait_for_each_other() -> None:
    """Each has a thread of its own: none waits for a free one."""
    all_there = threading.Barrier(40, timeout=30)

    async def main() -> list[int]:
        return await asyncio.gather(*[in_thread(all_there.wait) for _ in range(40)])

    assert sorted(asyncio.run(main())) == list(range(40))


def test_error_is_raised_where_it_is_awaited() -> None:
    """The same one."""
    error = ValueError("x")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="x") as caught:
        asyncio.run(in_thread(fail))
    assert caught.value is error


def test_who_is_cancelled_tells_the_work() -> None:
    """And does not wait for its end."""
    told, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        told.wait(30)

    async def main() -> None:
        task = asyncio.ensure_future(in_thread(work, on_cancel=told.set))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert told.is_set()
