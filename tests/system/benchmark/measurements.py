"""What is measured, one thing after the other."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import make_url

from tests.support.postgres import open_postgres
from tests.system.benchmark.attacks import Attacks
from tests.system.benchmark.bench import IN_FLIGHT, Bench, Run
from tests.system.benchmark.databases import count_connections
from tests.system.benchmark.figures import (
    BASE,
    BASE_ON_SQLITE,
    OURS,
    OURS_ON_SQLITE,
    ROWS,
    Figures,
)
from tests.system.benchmark.flatness import Flatness
from tests.system.benchmark.plans import Plan
from tests.system.benchmark.processes import BOT, PROFILED, Server, open_cloud
from tests.system.benchmark.proxy import Proxy, open_proxy
from tests.system.benchmark.scale import Scale

FAR = 0.005  # seconds to a database and back
FEW, MANY = 4, 104  # chunks
CHUNK_PAUSE = 0.005  # seconds
SLOW, LONG = 0.3, 10.0  # seconds that a model takes
SETTLED = 1000  # updates after which memory is looked at for the first time

Say = Callable[[str], None]
Servers = Mapping[str, Server]


def measure(plan: Plan, folder: Path, say: Say) -> Figures:
    """Measure all of a plan; what it needs lives in the folder and ends with it."""
    with ExitStack() as stack:
        cloud = stack.enter_context(open_cloud())
        server = stack.enter_context(open_postgres())
        bench = Bench(cloud, server, folder, plan.chats, stack)
        urls = {
            BASE: bench.postgresql(),
            BASE_ON_SQLITE: bench.sqlite("hand-written"),
            OURS: bench.postgresql(),
            OURS_ON_SQLITE: bench.sqlite("bot"),
        }
        measurements = Measurements(bench, plan, urls, Figures(faults=bench.faults), say)
        measurements.take()
        return measurements.figures


def profile(plan: Plan, folder: Path, database: str) -> str:
    """Return where the time of an update goes, as the standard library's profiler tells it."""
    with ExitStack() as stack:
        cloud = stack.enter_context(open_cloud())
        server = stack.enter_context(open_postgres())
        bench = Bench(cloud, server, folder, plan.chats, stack)
        url = bench.sqlite("bot") if database == "SQLite" else bench.postgresql()
        bot = stack.enter_context(bench.serving(PROFILED, url))
        bench.run(bot, updates=plan.warm_up)
        bench.toggle_profiler(bot)
        bench.run(bot, updates=plan.updates)
        return bench.toggle_profiler(bot)


@dataclass(frozen=True, slots=True)
class Measurements:
    """Fill in the figures; `urls` are those of each row's database."""

    bench: Bench
    plan: Plan
    urls: Mapping[str, str]
    figures: Figures
    say: Say

    def take(self) -> None:
        """Take all measurements of the plan."""
        with ExitStack() as stack:
            servers = self._starts(stack)
            self._cost(servers)
            both = {name: servers[name] for name in (BASE, OURS)}
            self._slow_model(both)
            self._chunks(both)
        self._database()
        if self.plan.processes:
            Scale(self.bench, self.plan, self.urls[OURS], self.figures, self.say).take()
        if self.plan.flat:
            Flatness(self.bench, self.plan, self.figures, self.say).take()
        if self.plan.waiting:
            self._waiting()
        if self.plan.memory:
            self._memory()
        if self.plan.attacks:
            Attacks(self.bench.folder, self.figures, self.say).take()

    def _starts(self, stack: ExitStack) -> Servers:
        """Return the servers that were the last to be started."""
        self.say("Starts")
        self.bench.compile()
        servers: dict[str, Server] = {}
        columns: dict[str, dict[str, list[float]]] = {
            column: {name: [] for name in ROWS} for column in ("memory", "start", "gemini")
        }
        for name in list(ROWS) * self.plan.starts:
            with self._serving(name) as server:
                columns["memory"][name].append(server.memory())
                columns["start"][name].append(self.bench.first_answer(server, "/start"))
            with ExitStack() as life:
                server = servers[name] = life.enter_context(self._serving(name))
                columns["gemini"][name].append(self.bench.first_answer(server))
                if len(columns["gemini"][name]) == self.plan.starts:
                    stack.push(life.pop_all())
        for column, values in columns.items():
            self.figures.fill(column, values)
        imports = [self.bench.import_time() for _ in range(self.plan.starts)]
        self.figures.fill("import", {OURS: imports, OURS_ON_SQLITE: imports})
        return servers

    def _cost(self, servers: Servers) -> None:
        self.say("What an update costs")
        self.bench.cloud.plan()
        for server in servers.values():
            self.bench.run(server, updates=self.plan.warm_up)
        runs = self._paired(servers, self.plan.updates, self.plan.rounds)
        self.figures.fill("rate", {name: [run.rate for run in own] for name, own in runs.items()})
        self.figures.fill("cpu", {name: [run.cpu for run in own] for name, own in runs.items()})
        self.bench.cloud.calls()
        self.bench.run(servers[OURS], updates=self.plan.updates)
        for method, count in sorted(self.bench.cloud.calls().items()):
            self.figures.calls[method] = count / self.plan.updates

    def _slow_model(self, servers: Servers) -> None:
        self.say("Answers of a slow model")
        self.bench.cloud.plan(delay=SLOW)
        name = f"p99 with a model of {1000 * SLOW:g} ms, {IN_FLIGHT} in flight"
        for how, apart, target in (("", SLOW / IN_FLIGHT, "1.1 times"), (", in step", 0.0, "")):
            runs = self._paired(servers, self.plan.slow, min(self.plan.rounds, 3), apart)
            values = {
                name: [1000 * run.percentile(99) for run in own] for name, own in runs.items()
            }
            self.figures.add(name + how, "ms", values, target)

    def _chunks(self, servers: Servers) -> None:
        self.say("What a chunk costs")
        costs: dict[str, list[float]] = {name: [] for name in servers}
        for name in list(servers) * min(self.plan.rounds, 3):
            costs[name].append(self._chunk_cost(servers[name]))
        self.figures.add("CPU per streamed chunk", "ms", costs, "0.3")

    def _chunk_cost(self, server: Server) -> float:
        """Return the milliseconds of processor time by which a chunk makes an answer dearer."""
        cpu = []
        for chunks in (FEW, MANY):
            self.bench.cloud.plan(chunks=chunks, pause=CHUNK_PAUSE)
            cpu.append(self.bench.run(server, updates=self.plan.chunks, in_flight=4).cpu)
        return (cpu[1] - cpu[0]) / (MANY - FEW)

    def _database(self) -> None:
        self.say("The way to the database")
        self.bench.cloud.plan()
        ways = {name: self._ways(name) for name in (OURS, BASE)}
        trips = {name: [near.trips for near, _ in way] for name, way in ways.items()}
        added = {
            name: [1000 * (far.seconds - near.seconds) for near, far in way]
            for name, way in ways.items()
        }
        self.figures.add("round trips to PostgreSQL for a question", "", trips, "7")
        name = f"added by a database that is {1000 * FAR:g} ms away"
        self.figures.add(name, "ms", added, "45")

    def _ways(self, name: str) -> list[tuple["Way", "Way"]]:
        """Ask with the database near and far, in turn."""
        url = make_url(self.urls[name])
        with open_proxy(url.port or 0) as proxy:
            longer = url.set(host="127.0.0.1", port=proxy.port)
            own = longer.render_as_string(hide_password=False)
            with self.bench.serving(ROWS[name], own) as server:
                self.bench.run(server, updates=self.plan.warm_up, in_flight=1)
                return [
                    (self._way(server, proxy, 0.0), self._way(server, proxy, FAR))
                    for _ in range(self.plan.rounds)
                ]

    def _way(self, server: Server, proxy: Proxy, delay: float) -> "Way":
        before, proxy.delay = proxy.trips, delay
        run = self.bench.run(server, updates=self.plan.near, in_flight=1)
        return Way((proxy.trips - before) / self.plan.near, median(run.latencies))

    def _waiting(self) -> None:
        self.say("Many chats that wait")
        url = self.bench.postgresql(self.plan.waiting)
        memory, connections = [], []
        self.bench.cloud.plan(delay=LONG)
        with self.bench.serving(BOT, url) as server:

            def poll() -> None:
                memory.append(server.memory())
                connections.append(float(count_connections(url)))

            again = self.bench.watch(server, self.plan.waiting, poll)
        name = f"{self.plan.waiting:,} chats that wait for a model of {LONG:g} s"
        self.figures.add(f"{name}: memory", "MiB", {OURS: [max(memory)]}, "250")
        self.figures.add(f"{name}: connections", "", {OURS: [max(connections)]}, "15")
        self.figures.add(f"{name}: put off by 503", "", {OURS: [again]}, "0")

    def _memory(self) -> None:
        self.say("Memory over many updates")
        self.bench.cloud.plan()
        more = self.plan.memory // 2
        with self._serving(OURS) as server:
            for done, updates in ((0, SETTLED), (SETTLED, more), (SETTLED + more, more)):
                self.bench.run(server, updates=updates)
                name = f"memory after {done + updates:,} updates"
                self.figures.add(name, "MiB", {OURS: [server.memory()]})

    def _paired(
        self, servers: Servers, updates: int, rounds: int, apart: float = 0.0
    ) -> dict[str, list[Run]]:
        """Run one application after the other, again and again."""
        runs: dict[str, list[Run]] = {name: [] for name in servers}
        for name in list(servers) * rounds:
            runs[name].append(self.bench.run(servers[name], updates=updates, apart=apart))
        return runs

    def _serving(self, name: str) -> AbstractContextManager[Server]:
        """Run a row's application on the row's database."""
        return self.bench.serving(ROWS[name], self.urls[name])


@dataclass(frozen=True, slots=True)
class Way:
    """Round trips of one question, and the seconds until it was answered."""

    trips: float
    seconds: float
