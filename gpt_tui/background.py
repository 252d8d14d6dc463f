"""Work in threads that nobody has to wait for: when the app ends, what has not come to its end is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")
_END = object()


async def in_background(work: Callable[[], Result], *, still: Callable[[], bool] | None = None) -> Result:
    """What `work` returns, or raises, in a thread of its own. When its caller is cancelled, its result is dropped; and
    its caller is when `still`, asked at the end, says that nobody is there any more."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # whatever it is, it is raised where it was asked for
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    try:
        return await future
    finally:
        if still is not None and not still():
            raise asyncio.CancelledError


async def each_in_background(
    items: Iterator[Result], *, still: Callable[[], bool] | None = None
) -> AsyncIterator[Result]:
    """The items of an iterator, each made in a thread."""
    while (item := await in_background(lambda: next(items, _END), still=still)) is not _END:
        yield item  # type: ignore[misc]


class Interest:
    """Whether somebody still wants what a thread does: it asks between its steps."""

    def __init__(self) -> None:
        self.lost = False

    def __call__(self) -> bool:
        return not self.lost

    def __enter__(self) -> Interest:
        return self

    def __exit__(self, *exception: object) -> None:
        self.lost = True
