"""The Bot API client: one Bot per runtime, and the handling of failed requests."""

import asyncio
import json
import logging
import re
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from math import ceil, inf, isfinite
from ssl import SSLContext
from typing import Any, get_args
from weakref import WeakValueDictionary

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.base import BaseSession
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Message
from aiohttp import (
    ClientConnectorError,
    ClientTimeout,
    ConnectionTimeoutError,
    ServerFingerprintMismatch,
    TCPConnector,
)
from aiohttp.payload import BytesPayload
from pydantic import ValidationError

from bot.logs.update_log import spending
from bot.settings import Settings
from bot.startup.tls import tls_context
from bot.telegram.lenient_json import parse, simplify, some

# A lost draft needs no retry: the next one follows anyway
DRAFTS = {"sendMessageDraft", "sendRichMessageDraft"}
LEFT_ALONE = {"getUpdates", "sendChatAction"} | DRAFTS
REPEATABLE = ("answer", "delete", "edit", "get", "set")  # doing it twice does no harm
OF_THE_OLD_CHAT = ("message_thread_id", "reply_parameters")  # a supergroup does not know these ids
# Fields to omit from a message once Telegram no longer finds their targets. The first field
# present is omitted first: a reply may be in the topic that is gone
DISPENSABLE = {
    re.compile("thread not found|TOPIC_(?:DELETED|ID_INVALID)", re.IGNORECASE): OF_THE_OLD_CHAT,
    re.compile("repl(?:y|ied).* not found|REPLY_MESSAGE_ID_INVALID", re.IGNORECASE): (
        "reply_parameters",
    ),
}
MOST_MOVES = 3  # changes of a group's id within one update
FLOOD_WAIT = re.compile(r"FLOOD_WAIT_(\d{1,6})")
PAUSES = (0.5, 2.0)  # seconds before the second and the third attempt
LONGEST_WAIT = 15  # seconds for all attempts of a request outside any update
SLOW_FOR = 60  # seconds after a flood during which a chat's messages are spaced out
DISTANCE, GROUP_DISTANCE = 1.0, 3.0  # seconds between such messages
DRAFT_PACE = 1.0  # seconds between a chat's drafts; bots that send more are locked out for minutes
# How many messages Telegram accepts in a group per minute, https://core.telegram.org/bots/faq; and
# how many of these are open to requests that would rather fail than wait, such as previews
GROUP_LIMIT, FAIL_FAST_LIMIT = 20, 14
MINUTE = 61.0  # seconds: one extra, because some messages take longer to arrive than others
KEEPALIVE = 10  # seconds
NAMES_LIVE = 10  # seconds; a server may come back at another address
REQUEST_TIMEOUT = 20  # seconds for one request
UNKNOWN_ID = 0  # for a sent message whose id is missing from Telegram's answer
BOM = "\ufeff"
SUCCESS = re.compile(r'\ufeff?\s*\{\s*"ok"\s*:\s*true\b')
MESSAGE_ID = re.compile(r'"message_id"\s*:\s*(\d{1,18})\b')
SHORTEST_WAIT = 1  # second; a flood wait of zero would be retried in an endless loop
CONNECT_TIMEOUT = 4  # seconds; a claim outlasts them, see bot.updates.claims.MARGIN

# Telegram could not be reached, or something in between answered instead (a proxy's HTML)
UNREACHABLE = (TelegramNetworkError, TelegramServerError, ClientDecodeError)
TOKEN_REFUSED = (TelegramUnauthorizedError, TelegramNotFound)
# Telegram refuses this request in this chat; after any other error it may still accept it
REFUSED = (TelegramBadRequest, TelegramForbiddenError, TelegramMigrateToChat)
# The connection failed before the request could be written to it
NOT_SENT = (ClientConnectorError, ConnectionTimeoutError, ServerFingerprintMismatch)

ChatId = int | str | None

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Permit:
    """The permission for one update's requests: a deadline, and the claim that must hold."""

    deadline: float  # in the running loop's time
    hold: Callable[[], Awaitable[None]]  # raises if the claim is lost
    # Takes a group, a limit and the seconds in a minute; takes a place in the group or returns the
    # seconds to wait. None means that only this process can count
    take_place: Callable[[int, int, float], Awaitable[float | None]]
    moved: dict[int, int] = field(default_factory=dict)  # groups that have become supergroups
    gone: set[tuple["ChatId", str]] = field(default_factory=set)  # fields to omit in a chat
    fails_fast: bool = False  # its requests are not worth waiting for


PERMIT: ContextVar[Permit | None] = ContextVar("permit", default=None)


@contextmanager
def fail_fast() -> Iterator[None]:
    """Make requests fail instead of waiting; for previews and the like."""
    permit = PERMIT.get()
    if permit is None:
        yield
        return
    now = asyncio.get_running_loop().time()
    token = PERMIT.set(replace(permit, deadline=now, fails_fast=True))
    try:
        yield
    finally:
        PERMIT.reset(token)


@dataclass(slots=True)
class Flood:
    """The spacing of a chat's messages after it got too many; times are the running loop's."""

    ready_at: float  # when the next message may be sent
    over_at: float


@dataclass(frozen=True, slots=True)
class Request:
    """The data that all attempts of one request share."""

    method: TelegramMethod[Any]
    deadline: float  # in the running loop's time
    fails_fast: bool  # not worth waiting for, such as a preview that a newer one replaces

    @property
    def name(self) -> str:
        """Return the method's name, as Telegram writes it."""
        return self.method.__api_method__

    @property
    def chat_id(self) -> ChatId:
        """Return the chat that the request is for."""
        chat_id: ChatId = _chat_id(self.method)
        return chat_id

    @property
    def is_message(self) -> bool:
        """Tell whether a repeated request would show up twice; unknown methods count as such."""
        return not self.name.startswith(REPEATABLE) and self.name not in LEFT_ALONE

    @property
    def is_edit(self) -> bool:
        """Tell whether the request changes an existing message."""
        return self.name.startswith("edit")

    @property
    def group_id(self) -> int | None:
        """Return the group in which the request shows something new, or None."""
        shows, chat_id = self.is_message or self.is_edit, self.chat_id
        return chat_id if shows and isinstance(chat_id, int) and chat_id < 0 else None

    def __str__(self) -> str:
        """Return the request's name for the log."""
        return f"Chat {self.chat_id}: {self.name}" if self.chat_id else self.name

    async def pause(self, seconds: float, error: Exception) -> None:
        """Wait before the next attempt; raise the last error if the deadline would pass."""
        if asyncio.get_running_loop().time() + seconds > self.deadline:
            raise error
        await asyncio.sleep(seconds)


class RequestMiddleware(BaseRequestMiddleware):
    """A middleware that retries requests, after floods and when Telegram was unreachable.

    A chat's messages are sent one at a time. A message that may have arrived although there was
    no answer is sent once more: twice is better than never. `uncertain` counts such messages.
    """

    def __init__(self) -> None:
        self.uncertain = 0
        self._lines: WeakValueDictionary[ChatId, asyncio.Lock] = WeakValueDictionary()
        self._floods: dict[ChatId, Flood] = {}
        self._in_group: OrderedDict[int, deque[float]] = OrderedDict()  # the longest quiet first
        self._drafts: OrderedDict[ChatId, float] = OrderedDict()  # when each got its last one

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        """Make the request, adapted to moved groups and to topics and messages now gone."""
        permit = PERMIT.get()
        moved, gone = (permit.moved, permit.gone) if permit else ({}, set())
        while True:
            method = _without(_readdress(method, moved), gone)
            try:
                return await self._request(partial(make_request, bot, method), method)
            except TelegramMigrateToChat as error:
                _follow(error, method, moved)
                if "message_id" in type(method).model_fields:
                    raise
            except TelegramBadRequest as error:
                name = _missing(error, method)
                if name is None:
                    raise
                gone.add((_chat_id(method), name))
            except TelegramNotFound as error:
                if _chat_id(method) is None or not await _is_known(bot):
                    raise
                raise TelegramBadRequest(method, error.message) from error

    async def _request(
        self,
        make_request: Callable[[], Awaitable[Response[TelegramType]]],
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        permit, now = PERMIT.get(), asyncio.get_running_loop().time()
        if method.__api_method__ in LEFT_ALONE:
            await self._get_ready(Request(method, now, fails_fast=True))
            if method.__api_method__ in DRAFTS:
                return await self._draft(make_request, method)
            return await make_request()
        deadline = permit.deadline if permit else now + LONGEST_WAIT
        request = Request(method, deadline, fails_fast=bool(permit and permit.fails_fast))
        with spending("telegram"):
            if request.is_edit:
                await self._get_ready(request)
                return await self._insist(partial(self._edit, make_request), request)
            if not request.is_message:
                return await self._insist(make_request, request)
            if request.fails_fast and self._has_line(request.chat_id):
                raise TelegramRetryAfter(method, "Others wait for the chat", ceil(DISTANCE))
            async with self._lines.setdefault(request.chat_id, asyncio.Lock()):
                await self._get_ready(request)
                return await self._insist(partial(self._write, make_request, request), request)

    def _has_line(self, chat_id: ChatId) -> bool:
        line = self._lines.get(chat_id)
        return line is not None and line.locked()

    async def _get_ready(self, request: Request) -> None:
        """Wait until a flooded chat accepts more, if there is time for that.

        A message is sent in any case; any other request that fails fast raises TelegramRetryAfter.
        """
        flood, now = self._floods.get(request.chat_id), asyncio.get_running_loop().time()
        if request.chat_id is None or not flood or now >= flood.ready_at:
            return
        wait = flood.ready_at - now
        if flood.ready_at <= request.deadline:
            await asyncio.sleep(wait)
        elif request.fails_fast and not request.is_message:
            raise TelegramRetryAfter(request.method, "The chat has had too much", ceil(wait))

    async def _draft(
        self,
        make_request: Callable[[], Awaitable[Response[TelegramType]]],
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        """Send a draft; raise TelegramRetryAfter if the chat has just got another one.

        The other draft may belong to another answer. At least DRAFT_PACE passes between the end
        of one request and the next.
        """
        chat_id, now = _chat_id(method), asyncio.get_running_loop().time()
        while self._drafts and next(iter(self._drafts.values())) <= now - DRAFT_PACE:
            self._drafts.popitem(last=False)
        if chat_id in self._drafts:
            raise TelegramRetryAfter(method, "The chat has just got a draft", ceil(DRAFT_PACE))
        self._drafts[chat_id] = now
        try:
            return await make_request()
        finally:
            self._drafts[chat_id] = asyncio.get_running_loop().time()
            self._drafts.move_to_end(chat_id)

    async def _make_room(self, request: Request, group_id: int) -> None:
        """Wait until a group accepts one more; raise TelegramRetryAfter if that is too late.

        All instances count together in the database; if it is unavailable, this process counts
        only its own messages.
        """
        permit = PERMIT.get()
        while True:
            limit = FAIL_FAST_LIMIT if request.fails_fast else GROUP_LIMIT
            wait = await permit.take_place(group_id, limit, MINUTE) if permit else None
            if wait is None:
                wait = self._wait_for_ours(group_id, limit)
            if wait <= 0:
                self._count(group_id)
                return
            logger.info("%s: the group has had enough for %.0f s", request, wait)
            error = TelegramRetryAfter(request.method, "The group's minute is full", ceil(wait))
            await request.pause(wait, error)

    def _wait_for_ours(self, group_id: int, limit: int) -> float:
        """Return the seconds until this process may send to a group again; 0 or less means now."""
        sent = self._in_group.get(group_id, ())
        if len(sent) < limit:
            return 0.0
        return sent[-limit] + MINUTE - asyncio.get_running_loop().time()

    def _count(self, group_id: int) -> None:
        """Record that this process sends to a group now, and forget groups that are quiet."""
        now = asyncio.get_running_loop().time()
        self._in_group.setdefault(group_id, deque(maxlen=GROUP_LIMIT)).append(now)
        self._in_group.move_to_end(group_id)
        while (oldest := next(iter(self._in_group.values()))) and oldest[-1] <= now - MINUTE:
            self._in_group.popitem(last=False)

    async def _insist(
        self, make_request: Callable[[], Awaitable[Response[TelegramType]]], request: Request
    ) -> Response[TelegramType]:
        """Make up to three attempts, and only one after an uncertain one; floods do not count.

        In a group each attempt takes a place of its own, because the one before may have arrived.
        """
        pauses, doubted = iter(PAUSES), False
        while True:
            if group_id := request.group_id:
                await self._make_room(request, group_id)
            try:
                return await _outspoken(make_request, request)
            except TelegramRetryAfter as error:
                logger.warning("%s: Telegram asks to wait %s s", request, error.retry_after)
                wait = max(error.retry_after, SHORTEST_WAIT)
                self._slow_down(request.chat_id, wait)
                await request.pause(wait, error)
            except UNREACHABLE as error:
                if not request.is_message or isinstance(error.__cause__, NOT_SENT):
                    logger.warning("%s: %s", request, type(error).__name__)
                else:
                    self._doubt(request, error)
                    pauses, doubted = iter(() if doubted else PAUSES[:1]), True
                await request.pause(next(pauses, inf), error)

    async def _edit(
        self, make_request: Callable[[], Awaitable[Response[TelegramType]]]
    ) -> Response[TelegramType]:
        """Edit a message only while the claim holds: another process may own the answer."""
        if permit := PERMIT.get():
            await permit.hold()
        return await make_request()

    async def _write(
        self, make_request: Callable[[], Awaitable[Response[TelegramType]]], request: Request
    ) -> Response[TelegramType]:
        """Try to send a message if the update's claim still holds."""
        if permit := PERMIT.get():
            await permit.hold()
        try:
            return await make_request()
        except asyncio.CancelledError as error:
            self._doubt(request, error)
            raise
        finally:
            self._keep_distance(request.chat_id)

    def _doubt(self, request: Request, error: BaseException) -> None:
        self.uncertain += 1
        kind = type(error).__name__
        logger.warning("%s: %s (uncertain, %d so far)", request, kind, self.uncertain)

    def _slow_down(self, chat_id: ChatId, retry_after: float) -> None:
        now = asyncio.get_running_loop().time()
        # Most chats never come up again, so their old floods have to be dropped here
        self._floods = {id_: flood for id_, flood in self._floods.items() if flood.over_at > now}
        self._floods[chat_id] = Flood(now + retry_after, now + retry_after + SLOW_FOR)

    def _keep_distance(self, chat_id: ChatId) -> None:
        flood, now = self._floods.get(chat_id), asyncio.get_running_loop().time()
        if flood and now < flood.over_at:
            is_group = not isinstance(chat_id, int) or chat_id < 0
            distance = GROUP_DISTANCE if is_group else DISTANCE
            flood.ready_at = max(flood.ready_at, now + distance)
        elif flood:
            del self._floods[chat_id]


def _chat_id(method: TelegramMethod[Any]) -> Any:
    return getattr(method, "chat_id", None)


def _readdress(
    method: TelegramMethod[TelegramType], moved: dict[int, int]
) -> TelegramMethod[TelegramType]:
    """Return the method for the chat its own has become, unless it needs an old message id."""
    chat_id, fields = _chat_id(method), type(method).model_fields
    if chat_id not in moved or "message_id" in fields:
        return method
    while chat_id in moved:
        chat_id = moved[chat_id]
    changed = dict.fromkeys(fields.keys() & OF_THE_OLD_CHAT) | {"chat_id": chat_id}
    return method.model_copy(update=changed)


def _follow(
    error: TelegramMigrateToChat, method: TelegramMethod[Any], moved: dict[int, int]
) -> None:
    """Record where a group has moved; raise TelegramServerError if the moves lead nowhere."""
    old, new = _chat_id(method), error.migrate_to_chat_id
    if moved.get(old) == new:
        return
    if new in {old, *moved, *moved.values()} or len(moved) == MOST_MOVES:
        moved.clear()
        raise TelegramServerError(method, "The group has moved in a circle") from error
    moved[old] = new
    logger.info("Chat %s is %s now", old, new)


def _without(
    method: TelegramMethod[TelegramType], gone: set[tuple[ChatId, str]]
) -> TelegramMethod[TelegramType]:
    """Return the method without the fields that refer to something gone from its chat."""
    names = [name for chat_id, name in gone if chat_id == _chat_id(method)]
    present = [name for name in names if getattr(method, name, None) is not None]
    return method.model_copy(update=dict.fromkeys(present)) if present else method


def _missing(error: TelegramBadRequest, method: TelegramMethod[Any]) -> str | None:
    """Return the field whose target Telegram cannot find; None for other errors."""
    for complaint, names in DISPENSABLE.items():
        if complaint.search(error.message):
            return next((name for name in names if getattr(method, name, None) is not None), None)
    return None


async def _is_known(bot: Bot) -> bool:
    """Tell whether Telegram knows the token; if so, "not found" was about something else."""
    try:
        await bot.get_me()
    except AiogramError:
        return False
    return True


async def _outspoken(
    make_request: Callable[[], Awaitable[Response[TelegramType]]], request: Request
) -> Response[TelegramType]:
    """Make a request; in a chat, count any unclear error as an outage or a flood."""
    try:
        return await make_request()
    except TelegramAPIError as error:
        wait = FLOOD_WAIT.search(error.message)
        is_odd = isinstance(error, TelegramConflictError) or type(error) is TelegramAPIError
        if request.chat_id is None or not (wait or is_odd):
            raise
        if wait:
            raise TelegramRetryAfter(request.method, error.message, int(wait[1])) from error
        raise TelegramServerError(request.method, error.message) from error


def reason(error: TelegramAPIError) -> str:
    """Return Telegram's reason for the log, without quotations: they may be users' words."""
    return re.sub(r"(['\"]).*\1", "'...'", error.message, flags=re.DOTALL)


def _read_answer(content: str) -> dict[str, Any]:
    """Return Telegram's refusal; raise ValueError for JSON that is not Telegram's."""
    answer: dict[str, Any] = json.loads(content)
    if answer["ok"] or answer["description"] is None:
        raise ValueError("The answer is not Telegram's")
    answer["parameters"] = _numbers(answer.get("parameters"))
    return answer


def _numbers(parameters: Any) -> dict[str, int]:
    """Return an error's numeric parameters, rounded up to whole numbers."""
    values = parameters.items() if isinstance(parameters, dict) else ()
    return {
        name: ceil(value)
        for name, value in values
        if isinstance(value, int | float) and isfinite(value)
    }


def _success(content: str) -> dict[str, Any] | None:
    """Return the answer to a successful call, whatever its result; None for all others.

    If the answer is cut off or nested too deeply, its result is reduced to the message id.
    """
    try:
        answer = json.loads(content.removeprefix(BOM))
    except (ValueError, RecursionError):
        if not SUCCESS.match(content):  # a page that is not Telegram's
            return None
        found = MESSAGE_ID.search(content)
        answer = {"ok": True, "result": {"message_id": int(found[1])} if found else None}
    is_success = isinstance(answer, dict) and answer.get("ok") is True
    return {"result": None} | answer if is_success else None


def _least(expected: Any, result: Any) -> Any:
    """Return the minimum known about an unreadable result: for a message, its id.

    Return None if that is not enough.
    """
    if Message in (expected, *get_args(expected)):
        found = result.get("message_id") if isinstance(result, dict) else None
        message_id = found if isinstance(found, int) else UNKNOWN_ID
        return Message.model_construct(message_id=message_id)  # type: ignore[call-arg]  # nothing else is known
    return True if expected is bool else None


class UnreadableResult(TelegramBadRequest):
    """An unreadable result of a request that Telegram has carried out; a retry would not help."""


class Session(AiohttpSession):
    """An HTTP session that keeps connections only briefly and closes them without a pause."""

    def __init__(self, base_url: str, tls: SSLContext) -> None:
        # Skips AiohttpSession.__init__, which would load all certificates again: 20 ms
        api = TelegramAPIServer.from_base(base_url)
        BaseSession.__init__(self, api=api, json_loads=_read_answer)
        self._session = None
        self._proxy = None
        self._should_reset_connector = True
        self._connector_type = TCPConnector
        # An instance that was frozen wakes up with dead connections
        self._connector_init = {
            "ssl": tls,
            "keepalive_timeout": KEEPALIVE,
            "ttl_dns_cache": NAMES_LIVE,
        }
        self.middleware(RequestMiddleware())
        self._responses: dict[Any, type[Response[Any]]] = {}

    def build_form_data(self, bot: Bot, method: TelegramMethod[Any]) -> Any:
        """Return the body of a request as JSON, or as a form if it contains files.

        A form needs six characters or more for each non-Latin letter.
        """
        files: dict[str, Any] = {}
        fields = method.model_dump(warnings=False)
        prepared = self.prepare_value(fields, bot, files, _dumps_json=False)
        if files:
            return super().build_form_data(bot, method)
        body = json.dumps(prepared, ensure_ascii=False).encode()
        return BytesPayload(body, content_type="application/json")

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram's signature
    ) -> TelegramType:
        """Make the request; raise TelegramNetworkError if the answer is not text (a proxy's)."""
        limits = ClientTimeout(total=timeout or REQUEST_TIMEOUT, connect=CONNECT_TIMEOUT)
        try:
            return await super().make_request(bot, method, limits)  # type: ignore[arg-type]  # aiohttp takes both
        except UnicodeEncodeError:  # raised by the request itself
            raise
        except (UnicodeError, LookupError) as error:
            raise TelegramNetworkError(method, "The answer is not Telegram's") from error

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        """Return Telegram's answer or raise its error; a flood without a time lasts one second.

        A request that Telegram reports as done is done, even if its result is unreadable.
        """
        if answer := _success(content):
            return self._read_result(bot, method, answer)
        try:
            return super().check_response(bot, method, status_code, content)
        except TelegramEntityTooLarge as error:  # aiogram treats it as a network error
            raise TelegramBadRequest(method, error.message) from error
        except TelegramAPIError as error:
            if status_code != HTTPStatus.TOO_MANY_REQUESTS or isinstance(
                error, TelegramRetryAfter
            ):
                raise
            raise TelegramRetryAfter(method, error.message, retry_after=1) from error

    def _read_result(
        self, bot: Bot, method: TelegramMethod[TelegramType], answer: dict[str, Any]
    ) -> Response[TelegramType]:
        """Return as much of a result as can be read; for a message, at least its id."""
        result, expected = answer["result"], method.__returning__
        # Pydantic drops unreferenced generic classes; building one per answer would take 9 ms
        response = self._responses.setdefault(expected, Response[expected])  # type: ignore[valid-type]
        if isinstance(result, dict):  # lists are updates and stay as received
            simplify(result)
        try:
            parsed, left_out = parse(response, answer, {("result",)}.__contains__, bot=bot)
        except ValidationError:
            parsed, left_out = Response.model_construct(ok=True, result=None), {"result"}
        if parsed.result is None:
            known = _least(expected, result)
            if known is None:
                raise UnreadableResult(method, "The result cannot be read")
            parsed = Response.model_construct(ok=True, result=known)
        if left_out:
            name = method.__api_method__
            logger.warning("%s: the result is read without %s", name, some(left_out))
        return parsed

    async def close(self) -> None:
        """Close the connections without aiogram's sleep: the host may kill us during it."""
        if self._session is not None:
            await self._session.close()


@asynccontextmanager
async def open_bot(settings: Settings) -> AsyncGenerator[Bot]:
    """Open the Bot API client in the running loop, and close its connections at the end."""
    # Run in parallel, because OpenSSL releases the GIL: 40 and 60 ms. The models of updates and
    # answers contain Message; building it first saves another 60 ms, see startup.lazy_models
    tls, _ = await asyncio.gather(
        asyncio.to_thread(tls_context), asyncio.to_thread(Message.model_rebuild)
    )
    session = Session(settings.telegram_api_base_url, tls)
    try:
        yield Bot(settings.telegram_bot_token.get_secret_value(), session=session)
    finally:
        await session.close()
