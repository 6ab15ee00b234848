"""`python -m bot sandbox` as a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.support.processes import ROOT
from tests.support.servers import free_port

READY = "Open http"
START_LIMIT = 120.0  # seconds
CALM_LIMIT = 30.0  # seconds for what is answered late
# What the sandbox would take over from whoever runs the tests
FOREIGN = (
    "GEMINI_",
    "GOOGLE_",
    "OWM_",
    "TELEGRAM_",
    "DATABASE_URL",
    "RICH_MESSAGES",
    "GROUP_TRIGGER",
)


class Sandbox:
    """The command in a folder, which may be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Run the command until it says that the page can be opened."""
        log = self._folder / "output.log"
        arguments = ("-m", "bot", "sandbox", "--no-browser", "--port", str(self.port))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        environment["PYTHONPATH"] = str(ROOT)
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter
                [sys.executable, *arguments],
                cwd=self._folder,
                env=environment,
                stdout=output,
                stderr=output,
            )
        async with asyncio.timeout(START_LIMIT):
            while READY not in log.read_text():
                assert self._process.poll() is None, log.read_text()
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        """End the command as a service manager does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START_LIMIT):
            while self._process.poll() is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        self._process = None

    async def do(self, what: str, **wanted: Any) -> Any:
        """Do what the page does."""
        async with (
            ClientSession() as session,
            session.post(f"{self.url}/do/{what}", json=wanted) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def calm(self) -> None:
        """Let nothing fail on purpose, all be answered, and the chats be empty."""
        await self.do("switches", telegram="off", gemini="off", times=None, privacy=True)
        async with asyncio.timeout(CALM_LIMIT):
            while not await self._is_calm():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        await self.do("forget")

    async def _is_calm(self) -> bool:
        async with ClientSession() as session, session.get(f"{self.url}/events") as events:
            snapshot = json.loads((await events.content.readline()).removeprefix(b"data: "))
        updates = [entry for entry in snapshot["journal"] if entry["kind"] == "update"]
        return all(entry["ok"] for entry in updates)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Sandbox]:
    """Run the sandbox in a folder until the end of the block."""
    sandbox = Sandbox(folder)
    try:
        await sandbox.start()
        yield sandbox
    finally:
        await sandbox.end()
