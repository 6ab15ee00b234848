"""The same bot on a database that has seen little and on one that has seen much."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from tests.support.pasts import LITTLE, MUCH, Past
from tests.system.benchmark import databases
from tests.system.benchmark.bench import Bench, Run
from tests.system.benchmark.figures import OURS, Figures
from tests.system.benchmark.plans import Plan
from tests.system.benchmark.processes import BOT, Server


@dataclass(frozen=True, slots=True)
class Flatness:
    """Fill in how much slower the bot is where much is stored."""

    bench: Bench
    plan: Plan
    figures: Figures
    say: Callable[[str], None]

    def take(self) -> None:
        """Measure both kinds of databases."""
        self.bench.cloud.plan()
        for kind, make in (
            ("PostgreSQL", self.bench.postgresql_with),
            ("SQLite", self.bench.sqlite_with),
        ):
            self.say(f"{MUCH.name} messages on {kind}")
            urls = {past: make(past) for past in (LITTLE, MUCH)}
            with ExitStack() as stack:
                servers = {
                    past: stack.enter_context(self.bench.serving(BOT, url))
                    for past, url in urls.items()
                }
                self._compare(kind, servers)
                if kind == "PostgreSQL":
                    self._weigh(servers[MUCH], urls[MUCH])

    def _compare(self, kind: str, servers: Mapping[Past, Server]) -> None:
        for past, server in servers.items():
            self.bench.run(server, updates=self.plan.warm_up, in_flight=1, chats=past.asked)
        runs: dict[Past, list[Run]] = {past: [] for past in servers}
        for past in [*servers] * 2 * self.plan.rounds:
            run = self.bench.run(
                servers[past], updates=self.plan.flat, in_flight=1, chats=past.asked
            )
            runs[past].append(run)
        times = {past: [median(run.latencies) for run in own] for past, own in runs.items()}
        costs = {past: [run.cpu for run in own] for past, own in runs.items()}
        for name, values in (("answer time", times), ("CPU per update", costs)):
            pairs = zip(values[MUCH], values[LITTLE], strict=True)
            ratios = sorted(much / little for much, little in pairs)
            rounds = f"rounds {ratios[0]:.2f} to {ratios[-1]:.2f}"
            title = f"{kind}: {name} at {MUCH.name} messages to that at {LITTLE.name}; {rounds}"
            self.figures.add(title, "times", {OURS: ratios}, "1.0")

    def _weigh(self, server: Server, url: str) -> None:
        """Fill in what an update and a message weigh in PostgreSQL."""
        before = databases.written(url)
        self.bench.run(server, updates=self.plan.flat, chats=MUCH.asked)
        log = (databases.written(url) - before) / self.plan.flat
        name = "PostgreSQL: write-ahead log of an update"
        self.figures.add(name, "KiB", {OURS: [log / 1024]})
        size = databases.message_size(url)
        self.figures.add("PostgreSQL: a message with its indexes", "bytes", {OURS: [size]})
