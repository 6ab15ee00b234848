"""What is asked and what is answered, on the way from one to the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.history import GO_ON, Content
from bot.gemini import Ending
from db.conversations import StoredExchange


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold what a person asks: a text, and perhaps a picture by its file id."""

    text: str
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Hold a prompt, by which of Telegram's messages it came, and where its answer belongs.

    `replaces` is the exchange that gives way to this one, `continues` the one whose answer goes
    on; `rest` what is still to be sent of that one, where it is only that. `places` are the
    messages that the answer takes over. One that `is_over` is not answered any more, as people
    were told.
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
        """Return the question of an exchange, to be asked anew."""
        prompt = Prompt(exchange.question.text or "", exchange.question.file_id)
        return cls(
            prompt, _asked_by(exchange), replaces=exchange, places=exchange.answer.message_ids
        )

    @classmethod
    def further(cls, exchange: StoredExchange, rest: Mapping[str, Any] | None) -> "Question":
        """Return the question for the rest of an answer that was cut off."""
        return cls(Prompt(GO_ON), _asked_by(exchange), continues=exchange, rest=rest)

    @classmethod
    def from_json(cls, left: Mapping[str, Any]) -> "Question":
        """Return the question that was left without an answer, in the place of its excuse."""
        prompt = Prompt(left["text"], left["file_id"])
        is_over = left.get("over", False)
        return cls(prompt, left["message_id"], places=[left["place"]], is_over=is_over)

    def to_json(self, place: int) -> dict[str, Any]:
        """Return the question as it is kept when it got no more than an excuse."""
        text, file_id = self.prompt.text, self.prompt.file_id
        left = {"text": text, "file_id": file_id, "message_id": self.message_id, "place": place}
        return left | ({"over": True} if self.is_over else {})

    @property
    def exchange(self) -> StoredExchange | None:
        """Return the exchange that it changes; None where it is a new one."""
        return self.replaces or self.continues


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold the model's whole turn: what people read, and what Gemini wants back verbatim.

    `is_alone` where the question was asked without the chat's history, which Gemini refuses.
    """

    text: str
    ending: Ending
    contents: list[Content] | None = None
    is_alone: bool = False

    @classmethod
    def of(cls, exchange: StoredExchange) -> "Answer":
        """Return the answer of an exchange, as people have read it."""
        return cls(exchange.answer.text or "", _ending(exchange.answer.ending))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as it is kept between two tries to send it."""
        return {
            "text": self.text,
            "ending": self.ending.name,
            "contents": self.contents,
            "is_alone": self.is_alone,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Answer":
        """Return the answer that was kept."""
        ending, is_alone = _ending(kept["ending"]), kept.get("is_alone", False)
        return cls(kept["text"], ending, kept["contents"], is_alone)


def _asked_by(exchange: StoredExchange) -> int | None:
    return next(iter(exchange.question.message_ids), None)


def _ending(name: str | None) -> Ending:
    """Return an ending by its name; one that only another version knows is some interruption."""
    if name is None:
        return Ending.COMPLETE
    return Ending.__members__.get(name, Ending.INTERRUPTED)
