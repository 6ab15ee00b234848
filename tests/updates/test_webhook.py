"""The webhook's door: who gets in, and what each request is answered."""

import asyncio
import json
import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.app import BODY_LIMIT, app
from bot.sandbox.telegram import TelegramServer
from bot.settings import SECRET_HEADER
from tests.support.door import Door, OpenDoor
from tests.support.gemini_server import GeminiServer

HELLO: dict[str, Any] = {
    "update_id": 7,
    "message": {
        "message_id": 1,
        "date": 1_790_000_000,
        "chat": {"id": 42, "type": "private", "first_name": "Ann"},
        "from": {"id": 42, "is_bot": False, "first_name": "Ann"},
        "text": "Hello",
    },
}
PRESS = {
    "id": "1",
    "from": HELLO["message"]["from"],
    "chat_instance": "1",
    "data": "secret?",
}


def place(chat_id: int) -> dict[str, Any]:
    """Return what says where a message stands that nobody can read any more."""
    return {"message_id": 7, "date": 0, "chat": {"id": chat_id, "type": "supergroup"}}


@pytest.mark.parametrize("given", [None, "", "wrong", "wröng"], ids=repr)
async def test_a_wrong_secret_gets_nowhere(
    door: Door, gemini: GeminiServer, given: str | None
) -> None:
    """Without the right secret the answer is 401, and nothing is sent, asked or stored."""
    door.client.headers.pop(SECRET_HEADER)
    headers = [] if given is None else [(SECRET_HEADER.encode(), given.encode())]

    response = await door.client.post("/webhook", json=HELLO, headers=headers)

    assert response.status_code == 401
    assert door.telegram.calls == []
    assert gemini.requests == []
    assert await door.messages() == []


async def test_a_wrong_secret_is_not_even_parsed(door: Door) -> None:
    """A body that is no JSON still answers 401 where the secret is wrong."""
    response = await door.client.post("/webhook", content=b"{", headers={SECRET_HEADER: "wrong"})

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("enabled", "secret", "given", "status"),
    [
        ("true", "s3cret", "s3cret", 200),
        ("1", "s3cret", "other", 401),
        ("True", "s3cret", None, 401),
        ("false", None, None, 200),
        ("False", "s3cret", "other", 200),
        ("0", "s3cret", None, 200),
    ],
)
async def test_the_secret_check_can_be_switched(
    opened: OpenDoor, enabled: str, secret: str | None, given: str | None, status: int
) -> None:
    """The switch is a boolean in any spelling, and TELEGRAM_WEBHOOK_SECRET the secret."""
    settings = {"ENABLE_SECURE_WEBHOOK_TOKEN": enabled, "TELEGRAM_WEBHOOK_SECRET": secret}
    async with opened(**settings) as door:
        door.client.headers.pop(SECRET_HEADER)
        headers = {SECRET_HEADER: given} if given else {}

        response = await door.client.post("/webhook", json={"update_id": 1}, headers=headers)

    assert response.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{",
        b"[]",
        b"null",
        b'"update_id"',
        b"{}",
        b'{"update_id": "1"}',
        b'{"update_id": 1.5}',
        b'{"update_id": true}',
        b'{"update_id": null}',
        b'{"update_id": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b"[" * 200_000,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_no_update_answers_400(
    door: Door, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """Malformed JSON, no object, no integer update_id: 400, and a line in the log."""
    caplog.set_level(logging.INFO)

    response = await door.client.post("/webhook", content=body)

    assert response.status_code == 400
    assert "holds no update" in caplog.text


async def test_a_large_body_answers_413(door: Door) -> None:
    """A body that announces more than 1 MiB is refused before it is read."""
    response = await door.client.post("/webhook", content=b" " * (BODY_LIMIT + 1))

    assert response.status_code == 413


async def test_a_large_body_without_a_length_is_not_read_to_its_end(door: Door) -> None:
    """A chunked body is given up as soon as it passes 1 MiB."""
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(1000):
            read += 64 * 1024
            yield b" " * 64 * 1024

    response = await door.client.post("/webhook", content=endless())

    assert response.status_code == 413
    assert read <= BODY_LIMIT + 64 * 1024


async def test_a_body_of_the_limit_is_read(door: Door) -> None:
    """1 MiB to the byte is still an update."""
    body = json.dumps({"update_id": 1}).encode()

    response = await door.client.post("/webhook", content=body.ljust(BODY_LIMIT))

    assert response.status_code == 200


WIDE = 2**63


MESSAGE = HELLO["message"]
WIDE_IDS: dict[str, dict[str, Any]] = {
    "message": {"message": MESSAGE | {"message_id": WIDE}},
    "topic": {"message": MESSAGE | {"message_thread_id": WIDE, "is_topic_message": True}},
    "thread": {"message": MESSAGE | {"message_thread_id": WIDE}},
    "reply": {"message": MESSAGE | {"reply_to_message": MESSAGE | {"message_id": WIDE}}},
    "channel": {"message": MESSAGE | {"sender_chat": {"id": WIDE, "type": "channel"}}},
    "new group": {"message": MESSAGE | {"migrate_to_chat_id": WIDE}},
    "old group": {"message": MESSAGE | {"migrate_from_chat_id": WIDE}},
    "edit": {"edited_message": MESSAGE | {"message_id": WIDE}},
    "press": {"callback_query": PRESS | {"message": MESSAGE | {"message_id": WIDE}}},
    "draft": {"stopped_message_generation": {"chat": MESSAGE["chat"], "draft_id": WIDE}},
}


@pytest.mark.parametrize("sign", [1, -1], ids=["+", "-"])
@pytest.mark.parametrize("kind", WIDE_IDS)
async def test_an_id_that_fits_no_database_costs_no_work(
    door: Door,
    gemini: GeminiServer,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    sign: int,
) -> None:
    """It is malformed wherever it would be stored or sent, and nobody is asked."""
    caplog.set_level(logging.INFO)
    update = json.loads(
        json.dumps({"update_id": 5} | WIDE_IDS[kind]).replace(str(WIDE), str(sign * WIDE))
    )

    response = await door.post(update)

    assert response.status_code == 200
    assert "is malformed (an id is too large)" in caplog.text
    assert (door.telegram.calls, gemini.requests) == ([], [])
    assert await door.rows("SELECT * FROM processed_update") == []


@pytest.mark.parametrize(
    ("update", "line"),
    [
        ({"update_id": 5}, "Update 5: nothing is not handled"),
        ({"update_id": 5, "telepathy": {"x": 1}}, "Update 5: telepathy is not handled"),
        (
            {"update_id": 5, "poll": {"id": "1", "question": "secret?"}},
            "Update 5: poll is malformed",
        ),
        ({"update_id": 5, "message": {"text": "secret?"}}, "Update 5: message is malformed"),
        ({"update_id": 5, "message": None}, "Update 5: nothing is not handled"),
        ({"update_id": 5, "message": "secret?"}, "Update 5: message is malformed"),
        (
            {"update_id": 5, "edited_channel_post": HELLO["message"]},
            "Update 5: edited_channel_post in chat 42 is not handled",
        ),
        (
            {"update_id": 5, "channel_post": HELLO["message"]},
            "Update 5: channel_post in chat 42 is not handled",
        ),
        (
            {"update_id": 5, "callback_query": PRESS},
            "Update 5: callback_query is not handled",
        ),
        (
            {"update_id": 5, "callback_query": PRESS | {"message": place(2**63)}},
            "Update 5: callback_query is malformed (an id is too large)",
        ),
        (
            {
                "update_id": 5,
                "message_reaction": place(-1001) | {"old_reaction": [], "new_reaction": []},
            },
            "Update 5: message_reaction in chat -1001 is not handled",
        ),
        (
            {
                "update_id": 5,
                "poll_answer": {
                    "poll_id": "1",
                    "voter_chat": {"id": -1001, "type": "channel"},
                    "option_ids": [0],
                    "option_persistent_ids": ["1"],
                },
            },
            "Update 5: poll_answer is not handled",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_updates_of_no_interest_answer_200(
    door: Door, caplog: pytest.LogCaptureFixture, update: dict[str, Any], line: str
) -> None:
    """Whatever Telegram may send is accepted, logged by id and kind, and never by its text."""
    caplog.set_level(logging.INFO)

    response = await door.post(update)

    assert response.status_code == 200
    assert line in caplog.text
    assert "secret?" not in caplog.text
    assert door.telegram.calls == []


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_there_are_no_interactive_docs(door: Door, path: str) -> None:
    """The API docs are off."""
    assert (await door.client.get(path)).status_code == 404


def test_a_client_sees_the_application_over_its_lifespan(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """Starlette's own client, with its own loop and lifespan, is answered too."""
    del environment
    gemini.answer("Hello, Ann")
    telegram.private_chat(telegram.person(42))
    with TestClient(app) as client:
        from bot.settings import load_settings

        secret = load_settings().webhook_secret or ""
        response = client.post("/webhook", json=HELLO, headers={SECRET_HEADER: secret})

    assert response.status_code == 200
    assert [message["text"] for message in telegram.sent(42)] == ["Hello, Ann"]


async def test_updates_overlap(door: Door, gemini: GeminiServer) -> None:
    """Ten chats that wait for a slow model wait side by side."""
    del gemini
    people = range(100, 110)
    updates = [door.question(f"I am {person}", person) for person in people]

    responses = await asyncio.gather(*map(door.post, updates))

    assert {response.status_code for response in responses} == {200}
    for person in people:
        assert f"I am {person}" in door.telegram.sent(person)[-1]["text"]
