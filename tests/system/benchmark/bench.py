"""The bench on which applications stand: databases, a cloud, people, and what they cost."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.support.pasts import Past
from tests.support.postgres import Postgres
from tests.support.processes import ROOT
from tests.support.servers import LoopThread
from tests.system.benchmark import databases
from tests.system.benchmark.load import HEADERS, QUESTION, Outcome, update
from tests.system.benchmark.load import Plan as Load
from tests.system.benchmark.processes import (
    CONTROL,
    Cloud,
    Server,
    environment,
    outcome,
    sending,
    serving,
)
from tests.system.benchmark.wire import Connection

IN_FLIGHT = 16
POLL_INTERVAL = 0.2  # seconds between two looks at a process that works
IMPORT = "import time; t = time.perf_counter(); import bot.app; print(time.perf_counter() - t)"


@dataclass(frozen=True, slots=True)
class Run:
    """What some updates took: per second, milliseconds of processor time for each, seconds."""

    rate: float
    cpu: float
    latencies: list[float]

    def percentile(self, percent: int) -> float:
        """Return the seconds in which so many per cent were answered."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class Bench:
    """Run applications on databases of their own, and let people write to them.

    `faults` says which updates were not answered, or more than once: such figures are worthless.
    """

    def __init__(
        self, cloud: Cloud, server: Postgres, folder: Path, chats: int, stack: ExitStack
    ) -> None:
        self.cloud = cloud
        self.chats = chats
        self.faults: list[str] = []
        self._server = server
        self.folder = folder
        self._stack = stack
        self._thread = LoopThread()
        stack.callback(self._thread.close)
        self.next_id = 1_000  # of updates: no earlier one was given out

    def postgresql(self, chats: int | None = None) -> str:
        """Make a database for as long as the bench stands; return its URL."""
        return self._postgresql(databases.filling(chats or self.chats, "JSON"))

    def sqlite(self, name: str) -> str:
        """Make a file; return its URL."""
        return self._sqlite(name, databases.filling(self.chats, "TEXT"))

    def postgresql_with(self, past: Past) -> str:
        """Make a database with a past; return its URL."""
        return self._postgresql(past.filling("JSON"))

    def sqlite_with(self, past: Past) -> str:
        """Make a file with a past; return its URL."""
        return self._sqlite(past.name, past.filling("TEXT"))

    @contextmanager
    def serving(self, application: str, url: str) -> Iterator[Server]:
        """Run an application on a database while the block lasts."""
        with serving(application, environment(url, self.cloud.url), self.folder) as server:
            yield server

    def run(
        self,
        *servers: Server,
        updates: int,
        in_flight: int = IN_FLIGHT,
        chats: int = 0,
        twice: int = 0,
        apart: float = 0.0,
    ) -> Run:
        """Let people ask, beginning so many seconds `apart`; return what it took.

        There are so many `chats`, else those of the bench. Each update whose number `twice`
        divides comes twice at once, to two servers where there are two.
        """
        before = sum(server.cpu() for server in servers)
        load = self._load(servers, updates, in_flight, chats=chats, twice=twice, apart=apart)
        found = self._send(servers, load, lambda: None)
        spent = sum(server.cpu() for server in servers) - before
        if found.again:
            self.faults.append(f"{servers[0].log.stem}: updates were put off {found.again} times")
        return Run(updates / found.seconds, 1000 * spent / updates, found.latencies)

    def watch(self, server: Server, updates: int, poll: Callable[[], None]) -> int:
        """Let people ask, all at once, and look on; return how often one was put off."""
        return self._send((server,), self._load((server,), updates, updates), poll).again

    def hurry(self, *servers: Server, updates: int) -> None:
        """Let people ask twice in a row, of two servers, without waiting for an answer."""
        load = self._load(servers, updates, IN_FLIGHT, impatient=True)
        self._send(servers, load, lambda: None)

    def first_answer(self, server: Server, text: str = QUESTION) -> float:
        """Return the seconds from a process's start until its first update is answered."""
        body = update(self._ids(1), 1, text)
        status, _ = self._thread.run(_post(server.port, "/webhook", body))
        seconds = time.perf_counter() - server.spawned
        self._note(server.log, [status], [1])
        return seconds

    def toggle_profiler(self, server: Server) -> str:
        """Begin a profile, or end it and return it."""
        _, text = self._thread.run(_post(server.port, CONTROL, b""))
        return text.decode()

    def import_time(self) -> float:
        """Return the seconds that the bot's import takes in a fresh interpreter."""
        return float(_python(IMPORT))

    def compile(self) -> None:
        """Have Python write its .pyc files: only a first start does that."""
        _python("import bot.app, google.genai")

    def _postgresql(self, filling: Sequence[str]) -> str:
        return self._stack.enter_context(databases.postgresql(self._server, filling))

    def _sqlite(self, name: str, filling: Sequence[str]) -> str:
        return databases.sqlite(self.folder / f"{name}.sqlite", filling)

    def _load(
        self,
        servers: Sequence[Server],
        updates: int,
        in_flight: int,
        *,
        chats: int = 0,
        **how: Any,
    ) -> Load:
        ports = [server.port for server in servers]
        chats = chats or max(self.chats, in_flight)
        return Load(ports, updates, in_flight, chats, self._ids(updates), **how)

    def _send(self, servers: Sequence[Server], load: Load, poll: Callable[[], None]) -> Outcome:
        with sending(load) as process, ThreadPoolExecutor(1) as executor:
            future = executor.submit(outcome, process)
            while not future.done():
                poll()
                time.sleep(POLL_INTERVAL)
        found = future.result()
        self._note(servers[0].log, found.statuses, found.chats)
        return found

    def _ids(self, count: int) -> int:
        """Return the first of so many ids that no update had before."""
        self.next_id += count
        return self.next_id - count

    def _note(self, log: Path, statuses: list[int], chats: list[int]) -> None:
        """Note what was not answered once; `chats` are those of the updates."""
        told, asked = self.cloud.answers(), Counter(chats)
        if set(statuses) != {200}:
            self.faults.append(f"{log.stem}: statuses {dict(Counter(statuses))}")
        if asked != told:
            self.faults.append(f"{log.stem}: {asked.total()} asked, {told.total()} answers")


def _python(code: str) -> bytes:
    """Run code where nothing keeps Python from writing .pyc files; return what it prints."""
    command = [sys.executable, "-c", code]
    path = {"PATH": os.environ.get("PATH", "")}
    run = subprocess.run(command, cwd=ROOT, env=path, capture_output=True, check=True)  # noqa: S603 - ours
    return run.stdout


async def _post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = await Connection.open(port)
    answer = await connection.post(path, body, HEADERS)
    connection.close()
    return answer
