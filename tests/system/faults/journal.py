"""What the campaign remembers: each update, each message that Telegram took, each fault."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.support.messages import read

MARKER = re.compile(r"\bM(\d{5})(?:x(\d{3}))?")


class Kind(Enum):
    """What an update asks for."""

    SHORT = "ask"  # one message, with the update's marker
    LONG = "tell"  # several messages, each line of them with the marker and its number
    HELP = "/help"  # one of the bot's own sentences


@dataclass(slots=True, eq=False)
class Update:
    """An update, numbered over the whole campaign, and in its chat."""

    number: int
    chat_id: int
    position: int
    kind: Kind
    message_id: int
    body: dict[str, Any]
    confirmed: bool = False

    @property
    def id(self) -> int:
        """Return Telegram's number."""
        number: int = self.body["update_id"]
        return number

    @property
    def marker(self) -> str:
        """Return what the question holds and its answer must hold."""
        return f"M{self.number:05}"


@dataclass(frozen=True, slots=True)
class Life:
    """A process between its start and its end."""

    process: str
    number: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that Telegram took from the bot.

    `lines` are those of the answer that it holds, none where it is one of the bot's sentences.
    `acknowledged` is False where the bot was left without Telegram's answer.
    """

    update: Update
    life: Life
    message_id: int
    text: str
    lines: tuple[int, ...]
    acknowledged: bool


@dataclass(slots=True)
class Journal:
    """Gather, from several threads, what happens.

    Messages are matched with updates by their marker; the bot's sentences by the message that
    they reply to (in groups) or by the update that is under way in their chat (private chats).
    """

    updates: list[Update] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    under_way: dict[int, Update] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    window: set[tuple[Update, Life]] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    redeliveries: int = 0
    calm: bool = False
    late_errors: int = 0  # 5xx after recovery
    _answers: dict[Update, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    _asked: dict[tuple[int, int], Update] = field(default_factory=dict)

    def begin(self, update: Update) -> None:
        """Note an update that is about to be delivered for the first time."""
        self.updates.append(update)
        self._asked[update.chat_id, update.message_id] = update
        self.under_way[update.chat_id] = update

    def take(self, message: dict[str, Any], life: Life, *, acknowledged: bool) -> Update | None:
        """Note a message of the bot and return the update that it answers."""
        chat_id = message["chat"]["id"]
        text = read(message)
        marks = MARKER.findall(text)
        replied = message.get("reply_to_message", {}).get("message_id")
        if marks:
            update = self.updates[int(marks[0][0])]
        else:
            update = self._asked.get((chat_id, replied)) or self.under_way[chat_id]
        lines = tuple(int(line or 0) for _, line in marks)
        sent = Sent(update, life, message["message_id"], text, lines, acknowledged)
        self.sent.append(sent)
        self._answers[update].append(sent)
        return update

    def note_status(self, status: int) -> None:
        """Count an answer of the bot's to the webhook."""
        self.statuses[status] += 1
        if self.calm and status >= 500:
            self.late_errors += 1

    def unconfirmed(self) -> list[Update]:
        """Return the updates that are under way."""
        return [update for update in self.under_way.values() if not update.confirmed]

    def complain(self, text: str) -> None:
        """Note what must not be."""
        self.complaints.append(text)

    def answers(self, update: Update) -> list[Sent]:
        """Return what Telegram took for an update so far."""
        return list(self._answers.get(update, ()))
