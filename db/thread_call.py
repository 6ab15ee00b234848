"""Calls that another thread runs while the event loop waits."""

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Any

# Seconds that the loop blocks for a call: as long as a thread may hold the interpreter lock
# anyway. Otherwise both threads contend for it at each row and each system call, which cost 1 to
# 2.5 of an update's 8 ms of processor time with 16 answers at a time
PATIENCE = 0.005


class ThreadCall:
    """One call and its result."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unfinished = Lock()
        self._unfinished.acquire()

    def __call__(self) -> None:
        """Run the function, in the thread."""
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error
        self._unfinished.release()
        if self._waiter:
            self._waiter.get_loop().call_soon_threadsafe(_wake, self._waiter)

    async def result(self) -> Any:
        """Return what the function returns, or raise what it raises."""
        if not self._unfinished.acquire(timeout=PATIENCE):
            self._waiter = asyncio.get_running_loop().create_future()
            if self._unfinished.locked():  # else the thread may have missed the waiter
                await self._waiter
        try:
            if self._error:
                raise self._error
            return self._result
        finally:
            self._error = None  # its traceback refers to this frame


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
