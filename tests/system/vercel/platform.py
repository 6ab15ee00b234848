"""The platform in front of the instances: routes calls, freezes who has none, ends all."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.system.vercel.function import Function
from tests.system.vercel.instance import GRACE, Instance, Request

TAIL = 4000  # characters


class Platform:
    """Run instances of one kind; all that ever ran are in `instances`."""

    def __init__(self, function: Function, kind: type[Instance]) -> None:
        self.instances: list[Instance] = []
        self._running: list[Instance] = []
        self._function = function
        self._kind = kind
        self._change = asyncio.Condition()

    @property
    def output(self) -> str:
        """Return all that the instances logged and wrote."""
        lines = [line for instance in self.instances for line in instance.logs]
        return "\n".join([*lines, *(instance.written for instance in self.instances)])

    async def measure_start(self) -> str:
        """Start the first instance; say how long its import took, and all until it answered."""
        spawned = time.monotonic()
        await self._start_one()
        assert await self.call(Request("GET", "/health")) == 200
        answered = time.monotonic() - spawned
        imported = self.instances[0].import_duration / 1000
        return f"import {imported:.1f} s, first answer after {answered:.1f} s"

    async def fill(self, count: int) -> None:
        """Start as many as `count` calls at once take."""
        wanted = math.ceil(count / self._kind.capacity)
        missing = range(wanted - len(self._running))
        await asyncio.gather(*(self._start_one() for _ in missing))

    async def stop(self, grace: float = GRACE) -> None:
        """Stop all, whatever they do."""
        stopped, self._running = self._running, []
        await asyncio.gather(*(instance.stop(grace) for instance in stopped))

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Kill at the end of the block whatever still runs; an error tells what that wrote."""
        try:
            yield
        except Exception as error:
            error.add_note(self.output[-TAIL:])
            raise
        finally:
            await asyncio.gather(*(instance.close() for instance in self.instances))

    async def call(self, request: Request) -> int:
        """Send a request to the least busy instance and return the answer's status.

        An instance without a call is frozen. Raise ConnectionError where none answers.
        """
        instance = await self._take()
        try:
            return await instance.call(request)
        finally:
            await self._give_back(instance)

    async def _start_one(self) -> None:
        instance = self._kind(self._function)
        self.instances.append(instance)
        await instance.start()
        instance.freeze()
        async with self._change:
            self._running.append(instance)
            self._change.notify_all()

    async def _take(self) -> Instance:
        async with self._change:
            await self._change.wait_for(lambda: self._free() or not self._running)
            if not self._running:
                raise ConnectionRefusedError
            instance = min(self._free(), key=lambda free: free.busy)
            if not instance.busy:
                instance.thaw()
            instance.busy += 1
            return instance

    async def _give_back(self, instance: Instance) -> None:
        async with self._change:
            instance.busy -= 1
            if not instance.busy and instance in self._running:
                instance.freeze()
            self._change.notify_all()

    def _free(self) -> list[Instance]:
        return [running for running in self._running if running.busy < running.capacity]
