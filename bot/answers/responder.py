"""The way from a question to its answer: asked, shown as it grows, sent, and stored."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.answers.preview import Preview
from bot.answers.sending import RETRYABLE, Reply, Sending
from bot.chat.attachments import AttachmentGone, AttachmentUnreachable
from bot.chat.conversation import REST, Conversation, Event, Remembered, Working
from bot.chat.messages import Answer, Question
from bot.gemini import Ending, GeminiError, TextDelta, Trait
from bot.logs.errors import log_error
from bot.logs.update_log import Outcome, Trace
from bot.rendering.characters import has_visible
from bot.settings import Choice
from bot.telegram.client import REFUSED, reason
from bot.updates.claims import Claim
from bot.updates.errors import RetryLater
from bot.updates.limits import count_question
from db.errors import DatabaseUnavailable
from db.transactions import single_statement

OUTCOMES = {Ending.STOPPED: Outcome.STOPPED, Ending.INTERRUPTED: Outcome.INTERRUPTED}
# Seconds of an update's time reserved for sending the answer, and the largest share of it
SENDING_TIME, SENDING_SHARE = 10, 1 / 4

# Errors that delay an answer: the update is retried later, and continues from there
DELAYING = (RetryLater, DatabaseUnavailable, AttachmentUnreachable, *RETRYABLE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Responder:
    """The means to answer questions while one update is handled."""

    conversation: Conversation
    reply: Reply
    claim: Claim
    trace: Trace
    choice: Choice  # when messages are rich

    def to(self, question: Question, user_id: int | None) -> "Responder":
        """Return a copy that answers the question of a message other than the update's own."""
        return replace(self, reply=self.reply.answering(question.message_id, user_id))

    async def count_update(self) -> float:
        """Count the update as a question; return the seconds to wait if a limit forbids it."""
        conversation, user_id = self.conversation, self.reply.address.user_id
        async with single_statement(conversation.session):
            return await count_question(
                conversation.session,
                conversation.settings,
                self.claim,
                conversation.chat_id,
                user_id,
            )

    async def answer(self, question: Question) -> None:
        """Ask, show the answer as it grows, and store the exchange once it is shown in full."""
        if question.exchange:  # a later attempt finds it, even if it is not the last by then
            rest = {} if "answer" in (self.claim.progress or {}) else question.rest or {}
            await self.claim.save(turn=question.exchange.answer.update_id, **rest)
        try:
            await self._answer(question)
        except DELAYING:
            raise
        except Exception:
            await self._restore(question)
            raise

    async def _answer(self, question: Question) -> None:
        reading = _Reading()
        try:
            answer = await self._ask(question, reading)
        except GeminiError as error:
            self.trace.end(Outcome.EXCUSED, str(error), error)
            again = Trait.PASSING in error.kind.traits
            await self._excuse(question, texts.failure(error), again=again)
            return
        except AttachmentGone:
            self.trace.end(Outcome.EXCUSED, "the photo is gone")
            await self._excuse(question, texts.PHOTO_GONE)
            return
        if answer.ending in OUTCOMES:
            self.trace.end(OUTCOMES[answer.ending])
        if not has_visible(answer.text):
            await self._excuse(question, texts.STOPPED, again=True)
            return
        try:
            sending = await self._send(answer, question)
        except REFUSED as error:
            self.trace.end(Outcome.REFUSED, reason(error))
            await self._excuse(question, texts.NOT_TAKEN, again=True)
            return
        if sending.refusal is not None:
            self.trace.end(Outcome.REFUSED, sending.refusal)
            self.claim.left = {REST: sending.progress() | {"preview": None}}
            answer = Answer(answer.text, Ending.INTERRUPTED)
        stored = await self._store(question, answer, sending.shown)
        if stored and reading.earlier and not question.replaces:
            await self.reply.retire(reading.earlier[-1])

    async def _ask(self, question: Question, reading: "_Reading") -> Answer:
        """Ask the question, show the answer as it grows, and return it."""
        kept = self.claim.progress or {}
        if "answer" in kept:  # an earlier attempt sent only part of it
            return Answer.from_json(kept["answer"])
        place = next(iter(self._places(question)), None)
        preview = Preview(self.reply.writer, self.claim, self.choice, place)
        async with preview.showing():
            return await self._follow(question, preview, reading)

    async def _follow(self, question: Question, preview: Preview, reading: "_Reading") -> Answer:
        """Show the conversation's events, and return the answer at their end.

        If a user asks to stop, the answer ends where it is.
        """
        sending_time = min(SENDING_TIME, SENDING_SHARE * self.claim.time_left())
        events = self.conversation.ask(question, self.claim.deadline - sending_time)
        reader = asyncio.create_task(reading.follow(events, preview))
        stopping = asyncio.create_task(self.claim.stopped.wait())
        try:
            await asyncio.wait({reader, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await reader if reader.done() else reading.stopped()
        finally:
            for task in (reader, stopping):
                task.cancel()
            await asyncio.wait({reader, stopping})

    def _places(self, question: Question) -> Sequence[int]:
        """Return the messages that the answer overwrites."""
        preview_id = self.claim.preview_id
        return question.places or ([] if preview_id is None else [preview_id])

    async def _send(self, answer: Answer, question: Question) -> Sending:
        progress = self.claim.progress or {}
        sending = Sending.begin(answer, self._places(question), self.choice, progress)
        await self.reply.finish(sending, self.claim)
        return sending

    async def _excuse(self, question: Question, text: str, *, again: bool = False) -> None:
        """Say why there is no answer; keep the question, so that it can be retried or edited.

        An answer that was to be replaced or continued stays, with its own buttons.
        """
        if question.exchange:
            await self._restore(question)
            await self.reply.say(text)
            return
        place = next(iter(self._places(question)), None)
        if again:
            place = await self.reply.excuse(text, place, self.claim.key.update_id)
        else:
            place = await self.reply.say(text, place)
        self.claim.left = question.to_json(place)

    async def _restore(self, question: Question) -> None:
        """Put back the answer that was to be replaced, if a new one had begun to overwrite it."""
        if question.replaces and self.claim.preview_id is not None:
            await self.reply.restore(question.replaces, self.choice)

    async def _store(self, question: Question, answer: Answer, ids: Sequence[int]) -> bool:
        try:
            await self.conversation.store(question, answer, ids)
        except (
            DatabaseUnavailable,
            SQLAlchemyError,
        ) as error:  # retrying the update would show two answers
            log_error(logger, "The answer is not stored", error=error)
            self.trace.end(Outcome.NOT_STORED, error=error)
            return False
        return True


@dataclass(slots=True)
class _Reading:
    """The text of an answer so far, and the messages of the answer before it."""

    words: list[str] = field(default_factory=list)
    earlier: Sequence[int] = ()  # the messages of the answer before this one

    async def follow(self, events: AsyncGenerator[Event], preview: Preview) -> Answer:
        """Show the events, and return the answer at their end."""
        async with aclosing(events):
            async for event in events:
                match event:
                    case Answer():
                        return event
                    case Remembered(message_ids):
                        self.earlier = message_ids
                    case Working(tool):
                        preview.work(texts.working(tool))
                    case TextDelta(text):
                        self.words.append(text)
                        preview.add(text)
        raise RuntimeError("A conversation's events end with its answer")

    def stopped(self) -> Answer:
        """Return the answer so far, as ended by a request to stop."""
        return Answer("".join(self.words).strip(), Ending.STOPPED)
