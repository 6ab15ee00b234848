"""Questions to the model and its answers, before they are stored as exchanges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.attachments import Attachment
from bot.chat.history import GO_ON, Content
from bot.chat.prompts import Prompt
from bot.gemini import Ending
from db.conversations import StoredExchange


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the id of the Telegram message it came in, and the place of its answer.

    `replaces` is the exchange that this one replaces, `continues` the exchange whose answer is
    continued; `rest` is the unsent part of that answer, if only that part is wanted. `places` are
    the ids of the messages that the answer takes over. A question that `is_over` will not be
    answered any more, and the user has been told so.
    """

    prompt: Prompt
    message_id: int | None
    replaces: StoredExchange | None = None
    continues: StoredExchange | None = None
    rest: Mapping[str, Any] | None = None
    places: Sequence[int] = ()
    is_over: bool = False

    @classmethod
    def again(cls, exchange: StoredExchange) -> "Question":
        """Return the question of an exchange, to be asked again."""
        return cls(
            Prompt.stored(exchange.question),
            _asked_by(exchange),
            replaces=exchange,
            places=exchange.answer.message_ids,
        )

    @classmethod
    def further(cls, exchange: StoredExchange, rest: Mapping[str, Any] | None) -> "Question":
        """Return the question for the rest of an answer that was cut off."""
        return cls(Prompt(GO_ON), _asked_by(exchange), continues=exchange, rest=rest)

    @classmethod
    def from_json(cls, left: Mapping[str, Any]) -> "Question":
        """Return a stored unanswered question; its answer will replace the error notice."""
        prompt = Prompt(left["text"], Attachment.stored(left["file_id"]))
        is_over = left.get("over", False)
        return cls(prompt, left["message_id"], places=[left["place"]], is_over=is_over)

    def to_json(self, place: int) -> dict[str, Any]:
        """Return the question as it is stored when it got only a notice, in message `place`."""
        text, file_id = self.prompt.text, self.prompt.file_id
        left = {"text": text, "file_id": file_id, "message_id": self.message_id, "place": place}
        return left | ({"over": True} if self.is_over else {})

    @property
    def exchange(self) -> StoredExchange | None:
        """Return the exchange that the question changes; None if it starts a new one."""
        return self.replaces or self.continues


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's whole turn: the visible text, and the contents Gemini wants back verbatim.

    `is_alone` is true if Gemini refused the chat's history and the question was asked without it.
    """

    text: str
    ending: Ending
    contents: list[Content] | None = None
    is_alone: bool = False

    @classmethod
    def of(cls, exchange: StoredExchange) -> "Answer":
        """Return the answer of an exchange, as users have read it."""
        return cls(exchange.answer.text or "", _ending(exchange.answer.ending))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as it is stored between two attempts to send it."""
        return {
            "text": self.text,
            "ending": self.ending.name,
            "contents": self.contents,
            "is_alone": self.is_alone,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Answer":
        """Return the answer that was stored."""
        ending, is_alone = _ending(kept["ending"]), kept.get("is_alone", False)
        return cls(kept["text"], ending, kept["contents"], is_alone)


def _asked_by(exchange: StoredExchange) -> int | None:
    return next(iter(exchange.question.message_ids), None)


def _ending(name: str | None) -> Ending:
    """Return an ending by its name; count names from other versions as interruptions."""
    if name is None:
        return Ending.COMPLETE
    return Ending.__members__.get(name, Ending.INTERRUPTED)
