"""One campaign: two processes on one database, from the first update to the verdict."""

import asyncio
import hashlib
import hmac
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bot.sandbox.telegram import TelegramServer
from tests.support.servers import serve
from tests.system.faults.chaos import Chaos, Violence
from tests.system.faults.cloud import Cloud
from tests.system.faults.databases import Database, open_database
from tests.system.faults.journal import Journal
from tests.system.faults.processes import BotProcess
from tests.system.faults.strangers import Strangers
from tests.system.faults.verdict import DONE, MESSAGES, Verdict, judge
from tests.system.faults.weather import Weather
from tests.system.faults.witness import Witness

TOKEN = "123456789:AAE-made-up-for-the-campaign-01234"
KEY = "made-up-gemini-key-0123456789"
SECRET = hmac.new(TOKEN.encode(), b"webhook secret", hashlib.sha256).hexdigest()
UNCERTAIN = re.compile(r"WARNING.*\bsend(?:Rich)?Message\b.*\buncertain\b", re.IGNORECASE)
# Both answer in the same chats: what one has begun the other sends to its end as it was begun
RICH_MESSAGES = {"one": "auto", "two": "off"}
NAMES = tuple(RICH_MESSAGES)
MINUTE = 61.0  # seconds in which a group gets twenty messages
FULL = "SELECT chat_id FROM group_place WHERE taken_at > {} GROUP BY chat_id HAVING count(*) > 6"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything; `rate` is updates per second while things break."""

    updates: int
    chats: int
    rate: float
    delay: float  # seconds that Gemini takes
    gemini_faults: float  # of its requests
    odd_posts: float  # of the posts to the webhook
    violence: Violence


@dataclass(frozen=True, slots=True)
class Result:
    """What is told of one campaign."""

    setup: str
    verdict: Verdict
    updates: int
    redeliveries: int
    faults: Counter[str]
    statuses: Counter[int]
    memory: Sequence[tuple[float, float]]  # MB of each process at the start and at the end
    seconds: float
    logs: Sequence[Path]


def run(plan: Plan, setup: str, seed: int, folder: Path) -> Result:
    """Run one campaign to its end; everything it needs lives in the folder and ends with it."""
    journal = Journal()
    random = Random(f"{seed} {setup}")  # noqa: S311 - must be the same again
    telegram = TelegramServer(TOKEN)
    lease = plan.violence.lease
    weather = Weather(journal, random, key=KEY, delay=plan.delay, lease=lease)
    witnesses = [Witness(telegram, journal) for _ in NAMES]
    with ExitStack() as stack:
        database = stack.enter_context(open_database(setup, folder))
        gemini_url = stack.enter_context(serve(weather.application()))
        processes = []
        for name, witness in zip(NAMES, witnesses, strict=True):
            telegram_url = stack.enter_context(serve(witness.application()))
            environment = _environment(database.url, telegram_url, gemini_url)
            environment["RICH_MESSAGES"] = RICH_MESSAGES[name]
            process = BotProcess(name, environment, folder, lease)
            witness.process = process
            processes.append(process)
            stack.callback(process.bury)
            process.start()
        campaign = Campaign(
            plan, journal, random, telegram, weather, witnesses, database, processes
        )
        memory, seconds = asyncio.run(campaign.run())
        for process in processes:
            process.end()
        verdict = judge(
            journal, database.rows(MESSAGES), database.rows(DONE), _count_uncertain(processes)
        )
    verdict.evidence += telegram.violations
    return Result(
        setup,
        verdict,
        len(journal.updates),
        journal.redeliveries,
        journal.faults,
        journal.statuses,
        memory,
        seconds,
        [process.log for process in processes],
    )


class Campaign:
    """Break things while people write, mend them, and see whether all is well again."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        random: Random,
        telegram: TelegramServer,
        weather: Weather,
        witnesses: Sequence[Witness],
        database: Database,
        processes: Sequence[BotProcess],
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._random = random
        self._telegram = telegram
        self._weather = weather
        self._database = database
        self._processes = processes
        lease = plan.violence.lease
        self._cloud = Cloud(
            telegram, processes, journal, random, secret=SECRET, lease=lease, odd=plan.odd_posts
        )
        self._chaos = Chaos(
            plan.violence, processes, witnesses, database, telegram, journal, random
        )
        self._strangers = Strangers(processes, journal, random, SECRET)
        self._chats = self._cloud.add_chats(plan.chats)
        self._enough = asyncio.Event()
        self._is_over = False
        self._patience = 60 + 6 * lease  # seconds until every queue must be empty

    async def run(self) -> tuple[list[tuple[float, float]], float]:
        """Return each process's memory before and after, and the seconds that it took."""
        await self._wait_for_processes()
        started = time.monotonic()
        await self._tell_all()
        before = [process.memory() for process in self._processes]
        await self._break_things()
        await self._wait_for_groups()
        self._journal.calm = True
        for _ in range(2):
            await self._tell_all()
        after = [process.memory() for process in self._processes]
        return list(zip(before, after, strict=True)), time.monotonic() - started

    async def _break_things(self) -> None:
        talks = [asyncio.create_task(self._talk(chat_id)) for chat_id in self._chats]
        self._weather.fault_rate = self._plan.gemini_faults
        nuisances = [
            asyncio.create_task(self._chaos.drizzle()),
            asyncio.create_task(self._strangers.run()),
        ]
        try:
            await self._chaos.run()
            await self._enough.wait()
        finally:
            self._is_over = True
            for task in nuisances:
                task.cancel()
            await asyncio.wait(nuisances)
            self._telegram.faults.clear()
            self._chaos.count_faults()
            self._weather.fault_rate = 0.0
        await self._wait_for_processes()
        await self._empty_queues(asyncio.gather(*talks))
        await self._empty_queues(self._cloud.finish())

    async def _talk(self, chat_id: int) -> None:
        pause = self._plan.chats / self._plan.rate
        while not self._is_over:
            await self._cloud.tell(chat_id)
            if len(self._journal.updates) >= self._plan.updates:
                self._enough.set()
            await asyncio.sleep(self._random.uniform(0, pause))

    async def _tell_all(self) -> None:
        calls = (self._cloud.tell(chat_id, smoothly=True) for chat_id in self._chats)
        await self._empty_queues(asyncio.gather(*calls))

    async def _empty_queues(self, queues: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await queues
        except TimeoutError:
            stuck = [update.id for update in self._journal.unconfirmed()]
            self._journal.complain(f"never confirmed: {stuck}")

    async def _wait_for_groups(self) -> None:
        """Wait until their minutes, which tries that failed have filled, have room again."""
        while self._database.rows(FULL.format(time.time() - MINUTE)):  # noqa: ASYNC110 - nobody says when
            await asyncio.sleep(1)

    async def _wait_for_processes(self) -> None:
        for process in self._processes:
            process.wake()
            await process.wait_until_ready()
            for status in process.deaths:
                self._journal.complain(f"process {process.name} ended with {status} by itself")


def _environment(database_url: str, telegram_url: str, gemini_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "GEMINI_API_KEY": KEY,
        "DATABASE_URL": database_url,
        "TELEGRAM_API_BASE_URL": telegram_url,
        "GOOGLE_GEMINI_BASE_URL": gemini_url,
        "MAX_HISTORY_MESSAGES": "10",
        # Who writes as much as here would be told to wait
        "RATE_LIMIT_PER_MINUTE": "0",
        "RATE_LIMIT_PER_HOUR": "0",
        "RATE_LIMIT_PER_DAY": "0",
    }


def _count_uncertain(processes: Sequence[BotProcess]) -> int:
    logs = [process.log.read_text(errors="replace") for process in processes]
    return sum(len(UNCERTAIN.findall(log)) for log in logs)
