"""What the bot shows to people, machines and health checks that open its address."""

import re
from html.parser import HTMLParser

import pytest

from bot import __version__
from bot.sandbox.faults import Refuse
from bot.sandbox.telegram import TelegramServer
from tests.support.credentials import KEY, TOKEN
from tests.support.door import Door, open_door
from tests.support.gemini_server import GeminiServer
from tests.support.postgres import open_cluster
from tests.support.servers import serve

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Page(HTMLParser):
    """Gather the links and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_people_see_who_it_is(door: Door) -> None:
    """Name, version, and a link that opens the chat; nothing is loaded from elsewhere."""
    response = await door.client.get("/", headers=BROWSER)

    page = Page(response.text)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Vary"] == "Accept"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "Test Bot" in page.text
    assert f"Version {__version__}" in page.text
    assert page.links == ["https://t.me/test_bot"]
    assert re.findall(r"(?:src|url|@import|<script|<link)", response.text) == []


async def test_machines_get_json(door: Door) -> None:
    """Who asks for no HTML gets the same as JSON."""
    response = await door.client.get("/")

    assert response.json() == {
        "name": "gemini-telegram-bot",
        "version": __version__,
        "link": "https://t.me/test_bot",
    }


async def test_a_name_is_no_markup(
    environment: pytest.MonkeyPatch, gemini: GeminiServer, migrated_url: str
) -> None:
    """Whatever the operator calls the bot is shown as it is."""
    del gemini
    environment.setenv("DATABASE_URL", migrated_url)
    server = TelegramServer(TOKEN, first_name='<script>alert("$name")</script>')
    with serve(server.application()) as url:
        environment.setenv("TELEGRAM_API_BASE_URL", url)
        async with open_door(server) as door:
            response = await door.client.get("/", headers=BROWSER)

    assert "<script" not in response.text
    assert '<script>alert("$name")</script>' in Page(response.text).text


async def test_telegram_is_not_there(door: Door) -> None:
    """The page says so, and comes all the same."""
    door.telegram.faults.add(Refuse(401, f"Unauthorized {TOKEN}"), method="getMe", times=2)

    response = await door.client.get("/", headers=BROWSER)
    json = (await door.client.get("/")).json()

    assert response.status_code == 200
    assert Page(response.text).links == []
    assert "cannot reach Telegram at the moment" in Page(response.text).text
    assert json["link"] is None


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
async def test_nothing_secret_is_shown(door: Door, path: str) -> None:
    """Neither token nor key, nor the webhook's secret or the database's address."""
    secrets = [TOKEN, KEY, door.settings.webhook_secret or "-", str(door.settings.database_url)]

    for headers in ({}, BROWSER):
        response = await door.client.get(path, headers=headers)
        shown = f"{response.headers} {response.text}"
        assert response.status_code == 200
        assert [secret for secret in secrets if secret in shown] == []
        assert (await door.client.head(path, headers=headers)).status_code == 200


async def test_ready_follows_the_database(
    environment: pytest.MonkeyPatch, telegram: TelegramServer, gemini: GeminiServer
) -> None:
    """Without its database the bot lives, and is not ready until it is back."""
    del gemini
    environment.setattr("bot.app.READY_FOR", 0)
    with open_cluster() as cluster:
        environment.setenv("DATABASE_URL", cluster.url)
        async with open_door(telegram) as door:
            assert (await door.client.get("/ready")).json() == {"ready": True}
            cluster.stop()
            response = await door.client.get("/ready")
            assert (response.status_code, response.json()) == (503, {"ready": False})
            health = await door.client.get("/health")
            assert health.json() == {"name": "gemini-telegram-bot", "version": __version__}
            cluster.start()
            assert (await door.client.get("/ready")).status_code == 200


async def test_a_schema_that_is_behind_is_not_ready(
    environment: pytest.MonkeyPatch,
    telegram: TelegramServer,
    gemini: GeminiServer,
    postgresql_url: str,
) -> None:
    """On a serverless host, where nobody migrates in passing."""
    del gemini
    environment.setenv("DATABASE_URL", postgresql_url)
    environment.setenv("VERCEL", "1")
    async with open_door(telegram) as door:
        assert (await door.client.get("/ready")).status_code == 503
