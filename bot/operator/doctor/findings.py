"""The doctor's findings, each with its remedy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.operator.problems import Problem


class Status(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


_MARKS = {Status.OK: "ok  ", Status.WARNING: "note", Status.FAILURE: "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    status: Status
    text: str
    mend: str | None = None

    def __str__(self) -> str:
        """Return the finding as lines for people to read."""
        line = f"{_MARKS[self.status]}  {self.check:<9} {self.text}"
        return f"{line}\n{'':<16}-> {self.mend}" if self.mend else line

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object for scripts."""
        return {
            "check": self.check,
            "status": self.status,
            "text": self.text,
            "mend": self.mend,
        }


def fine(check: str, text: str) -> Finding:
    """Return a finding that something is as it should be."""
    return Finding(check, Status.OK, text)


def note(check: str, problem: Problem) -> Finding:
    """Return a finding that something could be better."""
    return Finding(check, Status.WARNING, problem.what, problem.mend)


def fault(check: str, problem: Problem) -> Finding:
    """Return a finding that something keeps the bot from answering."""
    return Finding(check, Status.FAILURE, problem.what, problem.mend)
