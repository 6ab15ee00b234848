"""One chat's conversation with the model: history, answer, history. Knows nothing of Telegram."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.delivery import Delivery
from bot.gemini import Ending, FunctionCall, Gemini, GeminiError, Kind, Response, TextDelta
from bot.history import Content, Media, newest, to_contents, user_content
from bot.rendering import has_visible
from bot.settings import Settings
from bot.tools import Toolbox
from db.engine import transaction
from db.queries import NewMessage, StoredMessage, add_turn, clear_history, load_history

MAX_ROUNDS = 5  # of function calls in one turn
PHOTO_TURNS = 3  # how many of the latest photos go along again
PHOTO_TIMEOUT = 10  # seconds for an earlier photo, whose text stands without it

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold what a person asks: a text, and perhaps a picture by its file id."""

    text: str
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold the model's whole turn: what people read, and what Gemini wants back verbatim."""

    text: str
    ending: Ending
    contents: list[Content] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer as it is kept between two tries to send it."""
        return {"text": self.text, "ending": self.ending.name, "contents": self.contents}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Answer":
        """Return the answer that was kept."""
        return cls(kept["text"], Ending[kept["ending"]], kept["contents"])


@dataclass(frozen=True, slots=True)
class Working:
    """Say which function is called before the answer goes on."""

    tool: str


Event = TextDelta | Working | Answer


@dataclass(frozen=True, slots=True)
class Conversation:
    """Ask the model within a chat or one of its topics, in short transactions.

    None is open while the model thinks.
    """

    chat_id: int
    thread_id: int | None
    session: AsyncSession
    delivery: Delivery
    gemini: Gemini
    toolbox: Toolbox
    settings: Settings
    fetch_media: Callable[[str], Awaitable[Media]]

    async def ask(self, prompt: Prompt, deadline: float) -> AsyncGenerator[Event]:
        """Yield the answer as it grows, and at the end one Answer with all of it.

        `deadline` is in the running loop's time. Raise GeminiError where there is no answer, and
        whatever `fetch_media` raises for the prompt's own picture. Nothing is stored.
        """
        async with transaction(self.session):
            stored = await load_history(
                self.session,
                self.chat_id,
                self.settings.max_history_messages,
                self.thread_id,
            )
        stored = newest(stored, self.settings.max_history_characters)
        picture = await self.fetch_media(prompt.file_id) if prompt.file_id else None
        photos = await self._fetch_photos(stored, bool(picture))
        contents = to_contents(stored, photos, user_content(prompt.text, picture))
        async with aclosing(self._turn(contents, deadline)) as events:
            async for event in events:
                yield event

    async def store(self, prompt: Prompt, answer: Answer) -> None:
        """Store the user's and the model's turn together, and the update as done with them."""
        question = NewMessage(role="user", text=prompt.text, file_id=prompt.file_id)
        ending = None if answer.ending is Ending.COMPLETE else answer.ending.name
        reply = NewMessage("model", answer.text, content=answer.contents, ending=ending)
        await self.delivery.finish(
            self.session,
            lambda session: add_turn(session, self.chat_id, question, reply, self.thread_id),
        )

    async def clear(self) -> int:
        """Forget the chat's messages and return how many there were."""
        async with transaction(self.session):
            await self.delivery.fence(self.session)
            return await clear_history(self.session, self.chat_id, self.thread_id)

    async def _turn(self, contents: list[Content], deadline: float) -> AsyncGenerator[Event]:
        """Let the model answer, and call functions for it until it needs no more."""
        turn = _Turn()
        try:
            for calls_left in reversed(range(MAX_ROUNDS + 1)):
                stream = self.gemini.stream(
                    [*contents, *turn.contents],
                    system_instruction=self.settings.system_instruction,
                    functions=self.toolbox.declarations,
                    allow_calls=calls_left > 0,
                    deadline=deadline,
                )
                async with aclosing(turn.follow(stream)) as deltas:
                    async for delta in deltas:
                        yield delta
                if not turn.calls or not calls_left:
                    break
                yield Working(turn.calls[0].name)
                turn.contents.append(await self._call(turn.calls, deadline))
        except GeminiError:
            if not has_visible(turn.text):
                raise
            turn.ending = Ending.INTERRUPTED
        yield turn.answer()

    async def _call(self, calls: Sequence[FunctionCall], deadline: float) -> Content:
        """Run the calls of one round side by side; return the user's turn with their results."""
        try:
            async with asyncio.timeout_at(deadline):
                results = await asyncio.gather(
                    *(self.toolbox.call(call.name, call.args) for call in calls)
                )
        except TimeoutError:
            raise GeminiError(Kind.TOO_SLOW) from None
        return {"role": "user", "parts": list(map(_function_response, calls, results))}

    async def _fetch_photos(
        self, stored: Sequence[StoredMessage], has_picture: bool
    ) -> dict[str, Media]:
        """Fetch the latest photos again by file id; leave out what cannot be had in time."""
        file_ids = [message.file_id for message in stored if message.file_id]
        latest = file_ids[-(PHOTO_TURNS - has_picture) :]
        fetched = await asyncio.gather(*map(self._fetch_photo, latest))
        return {file_id: media for file_id, media in zip(latest, fetched, strict=True) if media}

    async def _fetch_photo(self, file_id: str) -> Media | None:
        try:
            async with asyncio.timeout(PHOTO_TIMEOUT):
                return await self.fetch_media(file_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the photo's text stands
            logger.warning("An earlier photo is left out: %s", type(error).__name__)
            return None


@dataclass(slots=True)
class _Turn:
    """Gather what the model says in one turn, over all its rounds."""

    text: str = ""
    contents: list[Content] = field(default_factory=list)
    calls: tuple[FunctionCall, ...] = ()
    ending: Ending = Ending.COMPLETE

    async def follow(
        self, stream: AsyncGenerator[TextDelta | Response]
    ) -> AsyncGenerator[TextDelta]:
        """Pass on one round's text as it comes, and keep how the round ended."""
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
                    # Of a round that was cut off, who knows whether its calls are whole
                    self.calls = chunk.calls if chunk.ending is Ending.COMPLETE else ()

    def answer(self) -> Answer:
        """Return the whole turn; raise GeminiError when it holds nothing to read.

        The contents are kept only where they say more than the text: after function calls, and
        only of a complete turn, since Gemini refuses calls without their results.
        """
        if not has_visible(self.text):
            raise GeminiError(Kind.EMPTY)
        complete = self.ending is Ending.COMPLETE and not self.calls and len(self.contents) > 1
        return Answer(self.text.strip(), self.ending, self.contents if complete else None)


def _function_response(call: FunctionCall, result: dict[str, Any]) -> dict[str, Any]:
    response = {"name": call.name, "response": result}
    return {"functionResponse": response | ({"id": call.id} if call.id else {})}
