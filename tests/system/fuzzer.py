"""A fuzzer over the webhook: `python -m tests.system.fuzzer [--bodies 10000] [--seed N]`.

It drives the real application, in this process, with bodies and requests that nobody would send,
and looks at each answer: no 5xx, no secret, no traceback, neither in a body nor in the log, and a
memory that does not grow. At the end a question is still answered.
"""

import argparse
import asyncio
import copy
import json
import logging
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.sandbox.telegram import TelegramServer
from bot.startup.output import write_at_once
from tests.support.gemini_server import GeminiServer
from tests.support.messages import question
from tests.support.servers import serve

Json = dict[str, Any]

TOKEN = "123456789:AAE-made-up-for-the-fuzzer-0123456789"
KEY = "made-up-gemini-key-for-the-fuzzer"
SECRET = "made-up-webhook-secret-for-the-fuzzer"
SECRETS = [TOKEN, KEY, SECRET, *(quote(text, safe="") for text in (TOKEN, KEY, SECRET))]
HEADER = "X-Telegram-Bot-Api-Secret-Token"
GROWTH = 48  # MiB that the process may grow once it is warm; 10,000 kept bodies would be more
WARM = 0.4  # of all bodies

PERSON = {"id": 42, "is_bot": False, "first_name": "Ann", "username": "ann"}
PRIVATE = {"id": 42, "type": "private", "first_name": "Ann"}
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Group", "is_forum": True}
CHANNEL = {"id": -1009876543210, "type": "channel", "title": "Channel"}
PHOTO = [{"file_id": "gone", "file_unique_id": "x", "width": 9, "height": 9, "file_size": 9}]
TEXTS = [
    "Hello", "/start", "/help", "/new_chat", "/stop", "/forget", "/foo", "/ban 7", "/users", "",
    " ", "@test_bot", "\x00", "\ud83d", "a\ud800b", "\u202e\u0000", "{}", "%s%d", "😀" * 2000,
    "x" * 5000, "'; DROP TABLE chat_message; --", "{{7*7}}", "\r\n\r\nHTTP/1.1 200 OK",
]  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e400, float("nan"), float("-inf"), 2**31, 2**52, 2**63,
    -(2**63), 2**70, 10**400, "", "0",
    "\x00", "\udcff", "x" * 20_000, [], {}, [[]], [None], {"": None},
    {"id": 1}, "2026-01-01T00:00:00Z", "private", "null",
]  # fmt: skip
CONTENT_TYPES = ["application/json", "text/plain", "", "application/json; charset=utf-16", "\xff"]
PATHS = ["/", "/health", "/webhook/", "/webhook/x", "//webhook", "/%2e%2e/webhook", "/docs", "/x"]
PATHS += [f"/bot{TOKEN}/getMe", f"/webhook?token={TOKEN}", "/webhook%00", "/\u00e9", "/.env"]
METHODS = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POST", "BREW"]


@dataclass
class Request:
    """One request to the application."""

    body: bytes = b""
    method: str = "POST"
    path: str = "/webhook"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    secret: str | bytes | None = SECRET


class Fuzz:
    """Makes requests, each from the seed alone."""

    def __init__(self, seed: int) -> None:
        from aiogram.types import Update  # not before it is needed: aiogram takes seconds

        self.random = random.Random(seed)  # noqa: S311 - repeatable is the point
        self.kinds = sorted(Update.model_fields.keys() - {"update_id"})
        self._ways: list[tuple[str, Callable[[], Request]]] = [
            ("mutated updates", self._mutated),
            ("mutated updates", self._mutated),
            ("every kind of update", self._of_any_kind),
            ("every kind of update", self._of_any_kind),
            ("sound updates", self._sound),
            ("broken bytes", self._broken),
            ("random bytes", self._noise),
            ("deep and long", self._deep),
            ("odd headers", self._headers),
            ("other paths and methods", self._elsewhere),
        ]

    def requests(self, number: int) -> Iterator[tuple[str, Request]]:
        """Yield so many requests and the way in which each is odd."""
        for _ in range(number):
            way, make = self.random.choice(self._ways)
            yield way, make()

    def _message(self) -> Json:
        pick = self.random.choice
        message: Json = {
            "message_id": self.random.randrange(1, 2**31),
            "date": 1_790_000_000,
            "chat": copy.deepcopy(pick([PRIVATE, PRIVATE, GROUP, CHANNEL])),
            "from": dict(PERSON),
        }
        match self.random.randrange(6):
            case 0:
                message |= {"photo": copy.deepcopy(PHOTO), "caption": pick(TEXTS)}
            case 1:
                message |= {pick(["sticker", "poll", "location", "new_chat_title"]): pick(ODD)}
            case _:
                message["text"] = pick(TEXTS)
        if self.random.random() < 0.2:
            length = pick([0, 1, 5, -1, 2**40])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        if self.random.random() < 0.2:
            message["reply_to_message"] = self._message()
        return message

    def _update(self) -> Json:
        return {"update_id": self.random.randrange(2**31), "message": self._message()}

    def _sound(self) -> Request:
        update = self._update()
        message = update["message"]
        message["chat"], message["text"] = dict(PRIVATE), self.random.choice(["Hello", "/help"])
        return Request(_encoded(update))

    def _of_any_kind(self) -> Request:
        content = self.random.choice([self._message(), {"id": "1", "from": PERSON}, *ODD])
        update = {"update_id": self.random.choice([1, 2**31, 2**63, -1, 2**70, 0])}
        if self.random.random() < 0.8:
            update["update_id"] = self.random.randrange(2**31)
        return Request(_encoded(update | {self.random.choice(self.kinds): content}))

    def _mutated(self) -> Request:
        update = self._update()
        for _ in range(self.random.randint(1, 4)):
            if places := list(_places(update)):
                self._mutate(*self.random.choice(places))
        return Request(self._doubled(_encoded(update)))

    def _mutate(self, holder: Any, key: Any) -> None:
        match self.random.randrange(5):
            case 0 | 1:
                holder[key] = copy.deepcopy(self.random.choice(ODD))
            case 2:
                del holder[key]
            case 3:
                holder[key] = _nested(holder[key], self.random.choice([1, 2, 50, 400]))
            case _:
                name = self.random.choice([*self.kinds, "id", "type", "text", "x" * 999])
                if isinstance(holder, dict):
                    holder[name] = copy.deepcopy(self.random.choice(ODD))
                else:
                    holder.append(name)

    def _doubled(self, body: bytes) -> bytes:
        """Sometimes give an object a key twice."""
        if self.random.random() < 0.2:
            return body.replace(b"{", b'{"message": null, "update_id": 3, "text": 7, ', 1)
        return body

    def _broken(self) -> Request:
        body = bytearray(_encoded(self._update()))
        for _ in range(self.random.randint(1, 9)):
            at = self.random.randrange(len(body))
            match self.random.randrange(3):
                case 0:
                    body[at] = self.random.randrange(256)
                case 1:
                    del body[at : at + self.random.randrange(1, 20)]
                case _:
                    body[at:at] = self.random.randbytes(self.random.randrange(9))
            body = body or bytearray(b"{")
        if self.random.random() < 0.2:
            encoding = self.random.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"])
            body = bytearray(body.decode(errors="replace").encode(encoding))
        return Request(bytes(body))

    def _noise(self) -> Request:
        return Request(self.random.randbytes(self.random.choice([0, 1, 9, 99, 9999])))

    def _deep(self) -> Request:
        piece = self.random.choice([b"[", b'{"a":', b"1", b" ", b'"', b"\x00", b"-", b"\\u0000"])
        count = self.random.choice([10, 1000, 50_000, 300_000])
        start = self.random.choice([b"", b'{"update_id":', b'{"update_id":1,"message":'])
        return Request(start + piece * count)

    def _headers(self) -> Request:
        pick = self.random.choice
        request = self._sound()
        request.secret = pick([SECRET, None, "", "wrong", SECRET[:-1], b"\xff\xfe", "x" * 60_000])
        lies = [b"0", b"1", b"99999999999", b"9" * 5000, b"-1", b"x", b"\xb2", b"", b"1, 2"]
        request.headers = [
            (b"content-type", pick(CONTENT_TYPES).encode("latin-1")),
            (b"content-length", pick(lies)),
            (b"content-encoding", pick([b"gzip", b"br", b"", b"identity"])),
            (HEADER.lower().encode(), pick([b"", b"again", SECRET.encode()])),
            (pick([b"expect", b"x-forwarded-for", b"host", b"cookie", b"upgrade"]), b"\xff;=,"),
        ][: self.random.randrange(6)]
        return request

    def _elsewhere(self) -> Request:
        request = self._sound()
        request.path, request.method = self.random.choice(PATHS), self.random.choice(METHODS)
        return request


def _encoded(value: Any) -> bytes:
    """Escape what UTF-8 cannot carry; NaN and infinities as Python writes them."""
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each holder and key within a value, at any depth."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"message": value}
    return value


class Log(logging.Handler):
    """Looks at every line, and keeps those that must not be."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line as it would be written; the loopback servers have lines of their own."""
        if record.name.startswith("aiohttp."):
            return
        line = self.format(record)
        self.lines += 1
        wrong = leaks(line.encode(errors="backslashreplace"))
        broken = record.levelno >= logging.ERROR
        if wrong or broken:
            self.faults.append(f"in the log: {wrong or 'an error'}: {line[-3000:]}")


def leaks(text: bytes) -> str:
    """Say what of a text must not be there."""
    if any(secret.encode() in text for secret in SECRETS):
        return "a secret"
    return "a traceback" if b"Traceback" in text else ""


@dataclass
class Report:
    """What came of it."""

    seed: int
    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lines: int = 0
    grown: float = 0.0
    seconds: float = 0.0
    answered: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether nothing was found."""
        return self.answered and not self.faults

    def table(self) -> str:
        """Return a few lines for people."""
        rows = [(way, str(number)) for way, number in sorted(self.requests.items())]
        rows.append(("all requests", str(self.requests.total())))
        rows += [(f"status {code}", str(number)) for code, number in sorted(self.statuses.items())]
        rows += [
            ("lines in the log", str(self.lines)),
            ("memory grown, MiB", f"{self.grown:.1f}"),
            ("a question at the end", "answered" if self.answered else "NOT ANSWERED"),
            ("faults", str(len(self.faults))),
            ("seed", str(self.seed)),
            ("seconds of CPU", f"{self.seconds:.1f}"),
        ]
        return "\n".join(f"{name:<24} {value:>12}" for name, value in rows)


async def fuzz(bodies: int, seed: int, telegram: TelegramServer) -> Report:
    """Send so many requests to the application that the environment describes."""
    from bot.app import app

    report, log, started = Report(seed), Log(), time.process_time()
    async with app.router.lifespan_context(app) as state:
        logging.getLogger().addHandler(log)
        try:
            warm = 0.0
            for number, (way, request) in enumerate(Fuzz(seed).requests(bodies)):
                await _judge(request, dict(state or {}), report, f"{way}, request {number}")
                report.requests[way] += 1
                if number == int(bodies * WARM):
                    warm = memory()
            report.grown = memory() - warm
            if report.grown > GROWTH:
                report.faults.append(f"the memory has grown by {report.grown:.0f} MiB")
            report.answered = await _still_answers(dict(state or {}), telegram)
        finally:
            logging.getLogger().removeHandler(log)
    report.faults += log.faults
    report.lines = log.lines
    report.seconds = time.process_time() - started
    return report


async def _judge(request: Request, state: Json, report: Report, name: str) -> None:
    try:
        status, answer = await send(request, state)
    except Exception as error:  # noqa: BLE001 - whatever it is, the server would answer 500
        report.faults.append(f"{name}: {error!r} for {request.body[:200]!r}")
        return
    report.statuses[status] += 1
    if status >= 500:
        report.faults.append(f"{name}: {status} for {request.body[:200]!r}")
    if wrong := leaks(answer):
        report.faults.append(f"{name}: {wrong} in the answer")


async def send(request: Request, state: Json) -> tuple[int, bytes]:
    """Hand a request to the application as a server would; return status, headers and body."""
    from bot.app import app

    path, _, query = request.path.partition("?")
    secret = request.secret.encode() if isinstance(request.secret, str) else request.secret
    given = [] if secret is None else [(HEADER.lower().encode(), secret)]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": given + request.headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": state,
    }
    half = len(request.body) // 2
    incoming = [
        {"type": "http.request", "body": request.body[:half], "more_body": True},
        {"type": "http.request", "body": request.body[half:], "more_body": False},
        {"type": "http.disconnect"},
    ]
    outgoing: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if len(incoming) > 1 else incoming[0]

    async def collect(message: Any) -> None:
        outgoing.append(message)

    await app(scope, receive, collect)
    first, *rest = outgoing
    pieces = [b": ".join(header) for header in first["headers"]]
    pieces += [message.get("body", b"") for message in rest]
    return first["status"], b"\n".join(pieces)


async def _still_answers(state: Json, telegram: TelegramServer) -> bool:
    update = question(telegram, "Are you still there?", 4711)
    update["update_id"] = 2**33
    status, _ = await send(Request(_encoded(update)), state)
    said = [message["text"] for message in telegram.sent(4711)]
    return status == 200 and said == ["You said: Are you still there?"]


def memory() -> float:
    """Return the resident memory of this process in MiB: now on Linux, elsewhere its peak."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def house(folder: str) -> Iterator[TelegramServer]:
    """Serve Telegram and Gemini, and describe them to the application in the environment."""
    telegram = TelegramServer(TOKEN)
    with ExitStack() as stack:
        stack.callback(os.environ.update, dict(os.environ))
        stack.callback(os.environ.clear)
        os.environ |= {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "GEMINI_API_KEY": KEY,
            "TELEGRAM_WEBHOOK_SECRET": SECRET,
            "TELEGRAM_API_BASE_URL": stack.enter_context(serve(telegram.application())),
            "GOOGLE_GEMINI_BASE_URL": stack.enter_context(
                serve(GeminiServer(key=KEY).application())
            ),
            "DATABASE_URL": f"sqlite:///{folder}/fuzzer.sqlite",
            "LOG_LEVEL": "DEBUG",
            "ADMIN_USER_IDS": str(PERSON["id"]),  # may do all, and without limits
        }
        yield telegram


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print the table, and return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.fuzzer", description=__doc__)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.getLogger().addHandler(logging.NullHandler())  # the log is looked at, not shown
    sys.excepthook = traceback.print_exception  # or the application would log what ends us
    with tempfile.TemporaryDirectory() as folder, house(folder) as telegram:
        report = asyncio.run(fuzz(options.bodies, options.seed, telegram))
    print(report.table())  # noqa: T201 - what the command is for
    for fault in report.faults[:20]:
        print(fault, file=sys.stderr)  # noqa: T201 - as above
    return 0 if report.passed else 1


if __name__ == "__main__":
    write_at_once()
    sys.exit(main())
