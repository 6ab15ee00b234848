"""The bot's own process: its setup, start, restarts and end."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from aiohttp import ClientError, ClientSession, ClientTimeout

LOG = "bot.log"
KNOCK = 0.05  # seconds between two checks whether the bot is ready
START_LIMIT = 120.0  # seconds for the bot to become ready; some machines are slow
CHILD = Path(__file__).parent / "child.py"
GRACE = 1.0  # seconds for a process that is not answering anyone to end by itself
ANSWER_GRACE = 25.0  # the same for one that may be answering: longer than its own grace period
SILENCE = 1.0  # seconds until people are told what they are waiting for
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before a bot that ended is restarted


class ApplicationError(Exception):
    """An error that says why the bot cannot be set up, with the command's exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Application:
    """`python -m bot` in a folder, kept running; `tell` is told whether it answers."""

    def __init__(self, folder: Path, tell: Callable[[bool], None]) -> None:
        self.environment: dict[str, str] = {}
        self.log = folder / LOG
        self._folder = folder
        self._tell = tell
        self._process: Process | None = None
        self._is_wanted_again = False
        self._is_set_up = asyncio.Event()
        self._is_ready = asyncio.Event()

    def restart(self) -> None:
        """End the process; the next one starts at once."""
        if self._process and self._process.returncode is None:
            self._is_wanted_again = True
            self._process.terminate()

    @asynccontextmanager
    async def run(self, environment: dict[str, str]) -> AsyncGenerator[asyncio.Task[None]]:
        """Set the bot up and keep it running until the block ends; yield the task that does so.

        The block begins when the bot is ready. Raise ApplicationError if it cannot be set up or
        started.
        """
        self.environment = environment
        keeper = asyncio.create_task(self._keep())
        try:
            await self._set_up()
            await self._wait_until_ready()
            yield keeper
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_LIMIT):
                await self._is_ready.wait()
        except TimeoutError:
            raise ApplicationError(f"The bot does not start: {self.log} says why.", 1) from None

    async def _set_up(self) -> None:
        """Register the webhook and the commands as a real bot does, with `python -m bot setup`."""
        process = await self._start("-m", "bot", "setup", stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        try:
            _, errors = await process.communicate()
        finally:
            await _end(process)
        if process.returncode:
            raise ApplicationError(errors.decode(errors="replace").strip(), process.returncode)
        self._is_set_up.set()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        with self.log.open("wb") as log:
            while True:
                was_ready = await self._live(log)
                self._tell(False)
                await self._is_set_up.wait()
                if not self._is_wanted_again:
                    print(f"The bot has ended, and is started again; {self.log} says why.")
                    pause = FIRST_PAUSE if was_ready else min(pause * 2, LONGEST_PAUSE)
                    await asyncio.sleep(pause)
                self._is_wanted_again = False

    async def _live(self, log: BinaryIO) -> bool:
        """Run the bot once until it ends; return whether it became ready."""
        arguments = ("-P", str(CHILD))  # modules must not be imported from the script's folder
        process = self._process = await self._start(*arguments, stdin=PIPE, stdout=log, stderr=log)
        is_ready = False
        try:
            async with ClientSession(timeout=ClientTimeout(total=START_LIMIT)) as session:
                while process.returncode is None and not await self._knock(session):  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(KNOCK)
            await self._is_set_up.wait()
            is_ready = process.returncode is None
            if is_ready:
                self._is_ready.set()
                self._tell(True)
            await process.wait()
            return is_ready
        finally:
            await _end(process, ANSWER_GRACE if is_ready else GRACE)

    async def _knock(self, session: ClientSession) -> bool:
        url = f"http://{self.environment['HOST']}:{self.environment['PORT']}/ready"
        try:
            async with session.get(url) as answer:
                return answer.ok
        except (ClientError, TimeoutError):
            return False

    async def _start(self, *arguments: str, stdin: int, stdout: object, stderr: object) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self._folder,
            env=self.environment,
            stdin=stdin,
            stdout=stdout,  # type: ignore[arg-type]
            stderr=stderr,  # type: ignore[arg-type]
        )


async def _end(process: Process, grace: float = GRACE) -> None:
    """End a process: ask it to terminate, and kill it after `grace` seconds."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(grace):
            await _wait(process)
    except (TimeoutError, asyncio.CancelledError):
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _wait(process: Process) -> None:
    ended = asyncio.ensure_future(process.wait())
    if not (await asyncio.wait([ended], timeout=SILENCE))[0]:
        print("One answer is still being written ... Ctrl+C again ends it at once.")
    await ended
