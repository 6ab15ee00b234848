"""One chat's conversation with the model, from history to answer; independent of Telegram."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.attachments import Attachment, FetchAttachment, FetchedFile
from bot.chat.history import Content, newest, to_contents, user_content
from bot.chat.messages import Answer, Question
from bot.chat.prompts import Prompt
from bot.gemini import (
    LONGEST_ANSWER,
    Ending,
    FunctionCall,
    Gemini,
    GeminiError,
    Kind,
    Response,
    TextDelta,
    encode,
)
from bot.rendering.characters import has_visible
from bot.settings import Settings
from bot.tools import Toolbox
from bot.updates.claims import Claim, Store
from db.conversations import (
    StoredExchange,
    StoredMessage,
    clear_history,
    find_exchange,
    find_question,
    last_exchange,
    load_history,
)
from db.exchanges import NewExchange, NewMessage, replace_exchange
from db.transactions import single_statement, transaction
from db.updates import read_left

MAX_ROUNDS = 5  # of function calls in one turn
REST = "rest"  # key of the unsent rest of an answer, in the data left over from an update
REFETCHED = 3  # how many of the latest attachments are sent to the model again
REFETCH_TIMEOUT = 10  # seconds for an earlier attachment; its text is sent even without it
# Refusals that an earlier message may cause for every later question
REFUSED_WITH_HISTORY = {Kind.BLOCKED, Kind.REJECTED}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Working:
    """The event that a function is being called before the answer continues."""

    tool: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The event with the ids of the messages of the previous answer; empty if unknown."""

    message_ids: Sequence[int]


Event = Remembered | TextDelta | Working | Answer


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with the model in a chat or one of its topics.

    Its transactions are short: none is open while the model thinks.
    """

    chat_id: int
    thread_id: int | None
    session: AsyncSession
    claim: Claim
    gemini: Gemini
    toolbox: Toolbox
    settings: Settings
    fetch_attachment: FetchAttachment

    async def ask(self, question: Question, deadline: float) -> AsyncGenerator[Event]:
        """Yield the answer as it grows, and at the end one Answer with the whole text.

        `deadline` is in the running loop's time. Raise GeminiError if there is no answer, and any
        error that `fetch_attachment` raises for the prompt's own file. Nothing is stored.
        """
        told, answer_ids = await self._recall(question)
        yield Remembered(answer_ids)
        is_refused = False
        async with aclosing(self._turn(told.whole(), deadline)) as events:
            has_begun = False
            try:
                async for event in events:
                    has_begun = True
                    yield event
            except GeminiError as error:
                if has_begun or not told.history or error.kind not in REFUSED_WITH_HISTORY:
                    raise
                logger.warning("Chat %s: asked without its history (%s)", self.chat_id, error)
                is_refused = True
        if is_refused:
            async with aclosing(self._turn(told.question, deadline)) as events:
                async for event in events:
                    yield replace(event, is_alone=True) if isinstance(event, Answer) else event

    async def _recall(self, question: Question) -> tuple["_Told", Sequence[int]]:
        """Return the contents for the model, and the ids of the previous answer's messages."""
        prompt, replaced = question.prompt, question.replaces
        limit = self.settings.max_history_messages
        if question.continues:
            limit = max(limit, len(question.continues))
        stored = await load_history(
            self.session,
            self.chat_id,
            max(limit, 1),  # the last answer loses its buttons even without a history
            self.thread_id,
            before=replaced.question.id if replaced else None,
        )
        answer_ids = stored[-1].message_ids if stored else ()
        stored = newest(stored[-limit:] if limit else (), self.settings.max_history_characters)
        attached = await self.fetch_attachment(prompt.attachment) if prompt.attachment else None
        files = await self._fetch_again(stored, REFETCHED - bool(attached))
        contents = to_contents(stored, files, user_content(prompt.text, attached))
        return _Told.of(contents, question), answer_ids

    async def last_exchange(self) -> StoredExchange | None:
        """Return the last question with its answer; None if there is no such pair."""
        return await last_exchange(self.session, self.chat_id, self.thread_id)

    async def exchange(self, update_id: int) -> StoredExchange | None:
        """Return the exchange that an update led to; None if it was deleted."""
        async with single_statement(self.session):
            return await find_exchange(self.session, self.chat_id, update_id, self.thread_id)

    async def unanswered(self, update_id: int | None = None) -> Question | None:
        """Return an update's unanswered question, by default the latest one, or None."""
        left = await self._left(update_id)
        return next((question for question in left if not question.is_over), None)

    async def asked_by(self, message_id: int) -> Question | None:
        """Return a message's question, answered or not; None if it asked nothing recently."""
        left = [question for question in await self._left() if question.message_id == message_id]
        over = next((question for question in left if question.is_over), None)
        if over:
            return over
        async with single_statement(self.session):
            asked = await find_question(self.session, self.chat_id, message_id, self.thread_id)
        if asked:
            return Question(Prompt.stored(asked), message_id)
        return next(iter(left), None)

    async def _left(self, update_id: int | None = None) -> Sequence[Question]:
        async with single_statement(self.session):
            left = await read_left(self.session, self.chat_id, update_id)
        return [Question.from_json(one) for one in left if REST not in one]

    async def unsent(self, exchange: StoredExchange) -> Mapping[str, Any] | None:
        """Return the unsent rest of an exchange's answer; None if all of it was sent."""
        async with single_statement(self.session):
            left = await read_left(self.session, self.chat_id, exchange.answer.update_id)
        return next((one[REST] for one in left if REST in one), None)

    async def store(
        self, question: Question, answer: Answer, message_ids: Sequence[int] = ()
    ) -> None:
        """Store a question and its answer as one exchange, and mark the update as done.

        `message_ids` are the ids of the messages that show the answer.
        """
        asked, told = self._to_store(question, answer, message_ids)
        exchange = question.exchange
        store: Store = NewExchange(self.chat_id, asked, told, self.thread_id)
        if exchange:
            store = partial(replace_exchange, exchange=exchange, question=asked, answer=told)
        await self.claim.finish(self.session, store)

    def _to_store(
        self, question: Question, answer: Answer, message_ids: Sequence[int]
    ) -> tuple[NewMessage, NewMessage]:
        """Return both messages of an exchange; join a continued answer to its beginning."""
        prompt, text, contents = question.prompt, answer.text, answer.contents
        update_id = self.claim.key.update_id
        asked_by = () if question.message_id is None else (question.message_id,)
        if question.continues:
            asked, begun = question.continues
            prompt = Prompt.stored(asked)
            text = (begun.text or "") if question.rest else _joined(begun.text or "", text)
            contents = None
            message_ids = list(dict.fromkeys([*begun.message_ids, *message_ids]))
        ending = None if answer.ending is Ending.COMPLETE else answer.ending.name
        return (
            NewMessage(
                "user", prompt.text, prompt.file_id, message_ids=asked_by, update_id=update_id
            ),
            NewMessage(
                "model",
                text,
                content=contents,
                ending=ending,
                message_ids=message_ids,
                update_id=update_id,
            ),
        )

    async def clear(self) -> int:
        """Delete the history of the chat or topic; return the number of messages deleted."""
        async with transaction(self.session):
            await self.claim.renew_within(self.session)
            return await clear_history(self.session, self.chat_id, self.thread_id)

    async def _turn(self, told: bytes, deadline: float) -> AsyncGenerator[Event]:
        """Let the model answer, and call the functions it asks for until it needs no more."""
        turn = _Turn()
        try:
            for calls_left in reversed(range(MAX_ROUNDS + 1)):
                stream = self.gemini.stream(
                    turn.after(told),
                    system_instruction=self.settings.system_instruction,
                    functions=self.toolbox.declarations,
                    allow_calls=calls_left > 0,
                    longest=max(LONGEST_ANSWER - len(turn.text), 1),
                    deadline=deadline,
                )
                async with aclosing(turn.follow(stream)) as deltas:
                    async for delta in deltas:
                        yield delta
                if not turn.calls or not calls_left:
                    break
                yield Working(turn.calls[0].name)
                turn.contents.append(await self._call(turn, deadline))
        except GeminiError:
            if not has_visible(turn.text):
                raise
            turn.ending = Ending.INTERRUPTED
        yield turn.answer()

    async def _call(self, turn: "_Turn", deadline: float) -> Content:
        """Run the calls of one round concurrently; return the user's turn with their results.

        A call that was already made in the same turn is not repeated.
        """
        asked = [self.toolbox.identity(call.name, call.args) for call in turn.calls]
        new = {
            each: call
            for each, call in zip(asked, turn.calls, strict=True)
            if each not in turn.results
        }
        try:
            async with asyncio.timeout_at(deadline):
                results = await asyncio.gather(
                    *(self.toolbox.call(call.name, call.args) for call in new.values())
                )
        except TimeoutError:
            raise GeminiError(Kind.TOO_SLOW) from None
        turn.results.update(zip(new, results, strict=True))
        found = [turn.results[each] for each in asked]
        return {"role": "user", "parts": list(map(_function_response, turn.calls, found))}

    async def _fetch_again(
        self, stored: Sequence[StoredMessage], limit: int
    ) -> dict[str, FetchedFile]:
        """Fetch the latest attachments again; leave out those that fail or take too long."""
        attachments = [Attachment.stored(message.file_id) for message in stored]
        latest = list(filter(None, attachments))[-limit:]
        fetched = await asyncio.gather(*map(self._fetch_earlier, latest))
        return {
            attachment.file_id: file
            for attachment, file in zip(latest, fetched, strict=True)
            if file
        }

    async def _fetch_earlier(self, attachment: Attachment) -> FetchedFile | None:
        try:
            async with asyncio.timeout(REFETCH_TIMEOUT):
                return await self.fetch_attachment(attachment)
        except Exception as error:  # noqa: BLE001 - no error may cost the text it came with
            logger.warning("An earlier %s is left out: %s", attachment.kind, type(error).__name__)
            return None


def _joined(begun: str, rest: str) -> str:
    """Return an answer joined with its rest, as a new paragraph unless it broke mid-sentence."""
    broken = begun[-1:].isalnum() or begun[-1:] in {",", ";"}
    return f"{begun} {rest}" if broken and rest[:1].isalnum() else f"{begun}\n\n{rest}"


@dataclass(frozen=True, slots=True)
class _Told:
    """The encoded input for the model: the chat's history, possibly empty, and the question."""

    history: bytes
    question: bytes

    @classmethod
    def of(cls, contents: Sequence[Content], question: Question) -> "_Told":
        """Encode contents; if an answer is continued, its exchange belongs to the question."""
        count = 3 if question.continues else 1
        history, asked = contents[:-count], contents[-count:]
        if asked[0]["role"] != "user":
            history, asked = [], contents
        return cls(encode(history) if history else b"", encode(asked))

    def whole(self) -> bytes:
        """Return the history and the question, encoded."""
        return b"%b, %b" % (self.history, self.question) if self.history else self.question


@dataclass(slots=True)
class _Turn:
    """The model's output in one turn, collected over all its rounds."""

    text: str = ""
    contents: list[Content] = field(default_factory=list)
    calls: tuple[FunctionCall, ...] = ()
    ending: Ending = Ending.COMPLETE
    results: dict[str, dict[str, Any]] = field(default_factory=dict)  # of its calls, by identity

    def after(self, told: bytes) -> bytes:
        """Return the encoded contents that came before, followed by those of this turn."""
        return b"%b, %b" % (told, encode(self.contents)) if self.contents else told

    async def follow(
        self, stream: AsyncGenerator[TextDelta | Response]
    ) -> AsyncGenerator[TextDelta]:
        """Yield one round's text as it arrives, and record how the round ended."""
        separator = "\n\n" if self.text else ""
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    delta = TextDelta(separator + chunk.text)
                    separator = ""
                    self.text += delta.text
                    yield delta
                else:
                    self.contents.append(chunk.content)
                    self.ending = chunk.ending
                    # The calls of a round that was cut off may be incomplete
                    self.calls = chunk.calls if chunk.ending is Ending.COMPLETE else ()

    def answer(self) -> Answer:
        """Return the whole turn; raise GeminiError if it contains no visible text.

        The contents are kept only if they say more than the text, which is after function calls,
        and only for a complete turn, because Gemini refuses calls without their results.
        """
        if not has_visible(self.text):
            raise GeminiError(Kind.EMPTY)
        complete = self.ending is Ending.COMPLETE and not self.calls and len(self.contents) > 1
        return Answer(self.text.strip(), self.ending, self.contents if complete else None)


def _function_response(call: FunctionCall, result: dict[str, Any]) -> dict[str, Any]:
    response = {"name": call.name, "response": result}
    return {"functionResponse": response | ({"id": call.id} if call.id else {})}
