"""Telegram and Gemini on one port, with canned answers: `python -m tests.system.benchmark.cloud`.

The strict servers of the tests check all that a bot sends; here that would cost more than the bot.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from functools import partial
from typing import Any

from tests.system.benchmark.wire import response, split_request

CHAT_ID = re.compile(rb'chat_id(?:=|"\r\n\r\n|": ?)(-?\d+)')
ME = {"id": 123456789, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
MESSAGES = {"sendMessage", "sendRichMessage"}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
WORDS = "a few words "  # of a chunk


class Cloud:
    """Answer both APIs, count the calls, and note who got how many messages."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.messages: Counter[int] = Counter()
        self._last_id = 1_000_000
        self.plan(chunks=3, delay=0.0, pause=0.0)

    def plan(self, chunks: int, delay: float, pause: float) -> None:
        """Set how Gemini answers: seconds before the first chunk, and between two."""
        self._delay, self._pause = delay, pause
        self._pieces = [_piece(number == chunks - 1) for number in range(chunks)]
        self._pieces[0] = STREAM_HEAD + self._pieces[0]
        self._pieces[-1] += b"0\r\n\r\n"
        self.calls.clear()

    def answer(self, transport: asyncio.Transport, path: str, body: bytes) -> None:
        """Answer one request, whoever it is for."""
        if path.startswith("/bot"):
            transport.write(response(self._bot_api(path.rsplit("/", 1)[1], body)))
        elif ":streamGenerateContent" in path:
            self.calls["streamGenerateContent"] += 1
            later = asyncio.get_running_loop().call_later
            later(self._delay, self._stream, transport, 0)
        else:
            transport.write(response(self._control(path, body)))

    def _bot_api(self, method: str, body: bytes) -> bytes:
        self.calls[method] += 1
        if method == "getMe":
            return _result(ME)
        if not method.startswith(("send", "edit")) or method.endswith(("Draft", "Action")):
            return _result(result=True)
        found = CHAT_ID.search(body)
        chat_id = int(found[1]) if found else 0
        if method in MESSAGES:
            self.messages[chat_id] += 1
        self._last_id += 1
        return (
            b'{"ok":true,"result":{"message_id":%d,"date":1700000000,"text":"Hello","chat":'
            b'{"id":%d,"type":"private","first_name":"Ann"}}}' % (self._last_id, chat_id)
        )

    def _stream(self, transport: asyncio.Transport, number: int) -> None:
        if transport.is_closing():
            return
        if not self._pause:
            transport.write(b"".join(self._pieces))
            return
        transport.write(self._pieces[number])
        if number + 1 < len(self._pieces):
            later = asyncio.get_running_loop().call_later
            later(self._pause, self._stream, transport, number + 1)

    def _control(self, path: str, body: bytes) -> bytes:
        if path == "/plan":
            self.plan(**json.loads(body))
        asked: Counter[Any] = self.messages if path == "/answers" else self.calls
        counts = json.dumps(asked).encode()
        asked.clear()
        return counts


class Exchange(asyncio.Protocol):
    """Read the requests of one connection."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what has come in whole."""
        self._buffer += data
        while request := split_request(self._buffer):
            self._cloud.answer(self._transport, *request)


def _result(result: Any) -> bytes:
    return json.dumps({"ok": True, "result": result}).encode()


def _piece(is_last: bool) -> bytes:
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": WORDS}], "role": "model"},
        "index": 0,
    }
    event: dict[str, Any] = {"candidates": [candidate], "modelVersion": "bench"}
    if is_last:
        candidate["finishReason"] = "STOP"
        event["usageMetadata"] = {
            "promptTokenCount": 900,
            "candidatesTokenCount": 12,
            "totalTokenCount": 912,
        }
    data = b"data: " + json.dumps(event).encode() + b"\r\n\r\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Exchange, Cloud()), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
