"""Several processes on one PostgreSQL: how fast, in order, and each update once."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.system.benchmark import databases
from tests.system.benchmark.bench import Bench, Run
from tests.system.benchmark.databases import Answered
from tests.system.benchmark.figures import OURS, Figures
from tests.system.benchmark.plans import Plan
from tests.system.benchmark.processes import BOT

TWICE = 20  # one update of so many comes to two processes at once
HURRIED = 64  # questions that do not wait for the answer to the one before
SLOW = 1.0  # seconds that the model then takes


@dataclass(frozen=True, slots=True)
class Scale:
    """Fill in the figures of several processes; each chat writes now to one, now to another."""

    bench: Bench
    plan: Plan
    url: str
    figures: Figures
    say: Callable[[str], None]

    def take(self) -> None:
        """Measure all counts of processes in turn, round by round."""
        runs: dict[int, list[Run]] = {count: [] for count in self.plan.processes}
        with ExitStack() as stack:
            self.say(f"{max(runs)} processes on one database")
            serving = (self.bench.serving(BOT, self.url) for _ in range(max(runs)))
            servers = [stack.enter_context(server) for server in serving]
            since = self.bench.next_id
            self.bench.cloud.plan()
            self.bench.run(*servers, updates=self.plan.warm_up * len(servers))
            for count in list(runs) * self.plan.rounds:
                run = self.bench.run(*servers[:count], updates=self.plan.updates, twice=TWICE)
                runs[count].append(run)
            self.bench.cloud.plan(delay=SLOW)
            for count in runs:
                self.bench.hurry(*servers[:count], updates=HURRIED)
            answers = databases.answered(self.url, since)
        self.bench.faults.extend(faults(answers, self.bench.next_id - since))
        for count, own in runs.items():
            self._add(count, own, runs[min(runs)])

    def _add(self, count: int, own: list[Run], alone: list[Run]) -> None:
        name = f"processes on one PostgreSQL: {count}"
        pairs = list(zip(own, alone, strict=True))
        for figure, unit, values in (
            ("updates/s", "", [run.rate for run in own]),
            ("updates/s to one process", "times", [run.rate / one.rate for run, one in pairs]),
            ("CPU per update", "ms", [run.cpu for run in own]),
        ):
            self.figures.add(f"{name}; {figure}", unit, {OURS: values})


def faults(stored: Sequence[Answered], updates: int) -> list[str]:
    """Say where answers, as they were stored, are not one for each update, or are out of order."""
    sent = sorted(stored, key=lambda answer: answer.message_id)
    found = []
    for done, answers in (("stored", stored), ("sent", sent)):
        last: dict[int, int] = {}
        for answer in answers:
            if answer.update_id <= last.get(answer.chat_id, 0):
                found.append(f"The answer to update {answer.update_id} was {done} late or twice")
            last[answer.chat_id] = answer.update_id
    if len(stored) != updates:
        found.append(f"{len(stored)} answers to {updates} updates were stored")
    return found
