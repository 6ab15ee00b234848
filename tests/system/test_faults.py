"""The short form of the fault campaign, and its judge before made-up cases."""

import os
from pathlib import Path
from random import Random

import pytest

from tests.support.machine_lock import machine_lock
from tests.support.pgbouncer import find_pgbouncer
from tests.support.postgres import find_programs
from tests.system.faults.campaign import Result, run
from tests.system.faults.databases import SETUPS
from tests.system.faults.journal import Journal, Kind, Life, Update
from tests.system.faults.plans import short_plan
from tests.system.faults.report import explain, table
from tests.system.faults.verdict import Verdict, judge

# Every kind of fault must strike, or the campaign shows nothing
ALWAYS = {
    "kill -9",
    "SIGSTOP past the lease",
    *(f"Telegram: {name}" for name in ("429", "500", "502 as HTML", "slow")),
    *(f"Telegram: dropped {when}" for when in ("before", "after")),
    *(f"Gemini: {name}" for name in ("503", "429", "HTML", "cut", "dropped", "silent", "slow")),
    *(f"webhook: {name}" for name in ("malformed", "oversized", "chunked", "cut off")),
    *(f"webhook: {name}" for name in ("hung up", "trickling")),
}
OUTAGES = {
    "PostgreSQL": {"database restart"},
    "pgbouncer": {"database restart", "pooler restart"},
    "SQLite": {"database lock"},
}
ONE, TWO = Life("one", 1), Life("two", 1)


@pytest.fixture
def needed(request: pytest.FixtureRequest) -> None:
    """Skip a set-up whose programs are not here; in CI they must be."""
    setup = request.node.callspec.params["setup"]
    reason = None
    if setup != "SQLite" and find_programs() is None:
        reason = "There is no PostgreSQL of our own to restart: set PG_BIN to its programs"
    elif setup == "pgbouncer" and find_pgbouncer() is None:
        reason = "There is no pgbouncer: install its package, or set PGBOUNCER to the program"
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.slow("a campaign of kills and faults")
def test_every_update_is_answered_once_and_in_order(setup: str, tmp_path: Path) -> None:
    """Whatever breaks, nothing is lost, and nothing comes twice that need not."""
    seed = Random().randrange(10**6)  # noqa: S311 - guards nothing

    with machine_lock(alone=False):
        result = run(short_plan(), setup, seed, tmp_path)

    story = f"seed {seed}\n{explain(result)}\n{table([result])}\n{_tails(result)}"
    assert result.verdict.passed, story
    assert result.faults.keys() >= ALWAYS | OUTAGES[setup], story
    assert result.redeliveries, story


def _tails(result: Result) -> str:
    return "\n".join(log.read_text(errors="replace")[-3000:] for log in result.logs)


class Case:
    """A campaign of some updates in one chat, made up."""

    def __init__(self, *kinds: Kind) -> None:
        self.journal = Journal()
        self._messages = 100
        for number, kind in enumerate(kinds):
            body = {"update_id": number + 1}
            self.journal.begin(Update(number, -5, number, kind, number + 1, body))
        self.messages = [
            (-5, role, update.marker)
            for update in self.journal.updates
            for role in ("user", "model")
        ]

    def send(
        self, number: int, text: str | None = None, life: Life = ONE, *, lost: bool = False
    ) -> None:
        """Let Telegram take an answer; `lost` is Telegram's word that it did."""
        self._messages += 1
        message = {
            "message_id": self._messages,
            "chat": {"id": -5},
            "text": text or f"You said: {self.journal.updates[number].marker}",
            "reply_to_message": {"message_id": number + 1},
        }
        self.journal.take(message, life, acknowledged=not lost)

    def judge(self, uncertain: int = 0) -> Verdict:
        """Judge it, all updates marked as done."""
        done = [(update.id,) for update in self.journal.updates]
        return judge(self.journal, self.messages, done, uncertain)


def test_the_judge_finds_nothing_where_nothing_is_wrong() -> None:
    """Two answers in their order, stored, are a campaign that passed."""
    case = Case(Kind.SHORT, Kind.SHORT)
    case.send(0)
    case.send(1)

    assert case.judge() == Verdict()
    assert case.judge().passed


def test_the_judge_finds_what_is_lost() -> None:
    """No answer, or a long answer with a hole."""
    case = Case(Kind.SHORT, Kind.LONG)
    case.send(1, "M00001x000 and M00001x002")

    verdict = case.judge()

    assert verdict.lost == 2
    assert not verdict.passed


def test_the_judge_finds_what_is_out_of_order() -> None:
    """The second update's answer stands before the first one's."""
    case = Case(Kind.SHORT, Kind.SHORT)
    case.send(1)
    case.send(0)

    verdict = case.judge()

    assert verdict.out_of_order == 1
    assert not verdict.passed


def test_the_judge_finds_what_is_doubled() -> None:
    """An answer that came twice without need, and one of the bot's sentences after an answer."""
    case = Case(Kind.SHORT, Kind.SHORT)
    case.send(0)
    case.send(0, life=TWO)
    case.send(1)
    case.send(1, "Sorry")

    verdict = case.judge(uncertain=2)

    assert (verdict.doubled, verdict.unexplained) == (2, 2)
    assert not verdict.passed


def test_the_judge_forgives_what_nobody_could_know() -> None:
    """Twice, since a process was killed in the window, or Telegram's word did not arrive."""
    case = Case(Kind.SHORT, Kind.SHORT)
    case.send(0)
    case.journal.window.add((case.journal.updates[0], ONE))
    case.send(0, life=TWO)
    case.send(1, lost=True)
    case.send(1)

    assert case.judge(uncertain=1).passed
    assert case.judge(uncertain=1).doubled == 2
    assert not case.judge(uncertain=0).passed, "the bot's log must name what was uncertain"


@pytest.mark.parametrize("wrong", ["twice", "missing", "disordered", "excused"])
def test_the_judge_finds_what_is_stored_wrongly(wrong: str) -> None:
    """What people read is stored once and in order, and nothing else."""
    case = Case(Kind.SHORT, Kind.SHORT)
    case.send(0)
    case.send(1, "Sorry" if wrong == "excused" else None)
    if wrong == "twice":
        case.messages += case.messages[-2:]
    elif wrong == "missing":
        del case.messages[:2]
    elif wrong == "disordered":
        case.messages = case.messages[2:] + case.messages[:2]

    verdict = case.judge()

    assert verdict.stored_wrongly == 1
    assert not verdict.passed


def test_the_judge_counts_late_errors_and_updates_that_are_not_done() -> None:
    """After recovery no 5xx is forgiven, and no update may be left open."""
    case = Case(Kind.SHORT)
    case.send(0)
    case.journal.calm = True
    case.journal.note_status(503)

    verdict = judge(case.journal, case.messages, [], 0)

    assert (verdict.late_errors, verdict.not_done) == (1, 1)
    assert not verdict.passed
