"""A bot that polls, and users who write to it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bot.polling import Poller
from bot.runtime import open_runtime
from bot.sandbox.telegram import TelegramServer
from bot.settings import load_settings
from tests.support.messages import question


@asynccontextmanager
async def polling(*, finish: bool = True) -> AsyncGenerator[Poller]:
    """Run a poller in this loop."""
    async with open_runtime(load_settings()) as runtime:
        poller = Poller(runtime)
        running = asyncio.create_task(poller.run())
        yield poller
        running.cancel()
        await asyncio.wait({running})
        if finish:
            await poller.finish()


def write(telegram: TelegramServer, words: str, user_id: int = 42) -> dict[str, Any]:
    """Let a person write, so that the next poll brings it."""
    update = question(telegram, words, user_id)
    telegram.deliver(update)
    return update
