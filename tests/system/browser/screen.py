"""The page as people see it: who they are, what they write, what they read."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Route,
    expect,
)

ANN, BEN, CLEO = 1001, 1002, 1003
GROUP = -1001000000001
FORUM = -1001000000002
PATIENCE = 20_000.0  # milliseconds, on a machine that has other things to do
DESKTOP = (1280, 800)
PHONE = (390, 844)

expect.set_options(timeout=PATIENCE)


class Screen:
    """A browser's window with the page in it; `faults` is what its console holds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._hear)
        page.on("pageerror", self._fail)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(message.text)

    def _fail(self, error: Error) -> None:
        self.faults.append(str(error))

    async def write(self, text: str) -> None:
        """Write a message and send it by Enter."""
        await self.page.get_by_role("textbox", name="Message").fill(text)
        await self.page.keyboard.press("Enter")

    async def press(self, name: str) -> None:
        """Press the last button of that name."""
        await self.page.get_by_role("button", name=name, exact=True).last.click()

    async def press_key(self, name: str) -> None:
        """Press the last button of that name below a message, and wait until the bot took that."""
        await self.page.get_by_role("tab", name="Journal").click()
        await self.page.get_by_role("button", name="Clear", exact=True).click()
        await self.press(name)
        await expect(self.entry("callback_query").locator(".badge")).to_have_text("200")

    def entry(self, title: str) -> Locator:
        """Give what the journal holds of that title."""
        exact = self.page.get_by_text(title, exact=True)
        return self.page.locator(".entry").filter(has=exact)

    def chat(self, name: str) -> Locator:
        """Give a chat of the list."""
        return self.page.get_by_role("navigation", name="Chats").get_by_role("button", name=name)

    @property
    def mine(self) -> Locator:
        """My messages."""
        return self.page.locator("article.mine")

    @property
    def theirs(self) -> Locator:
        """The messages of others, without the draft."""
        return self.page.locator("article.theirs:not(.draft)")

    @property
    def draft(self) -> Locator:
        """The answer that is being written."""
        return self.page.locator("article.draft")

    @property
    def banner(self) -> Locator:
        """The lines below the head of the conversation."""
        return self.page.locator("#banners")

    @property
    def toast(self) -> Locator:
        """The sentence that is shown for a moment."""
        return self.page.locator("#toasts")

    async def answered(self, count: int = 1) -> Locator:
        """Wait until there are so many answers and none is being written; give the last."""
        await expect(self.theirs).to_have_count(count)
        await expect(self.draft).to_have_count(0)
        await expect(self.mine.last.locator(".meta use")).to_have_attribute("href", "#icon-checks")
        return self.theirs.last


Visit = Callable[..., Awaitable[Screen]]  # takes a person, a chat and a size


@asynccontextmanager
async def watched(
    browser: Browser,
    address: str,
    size: Sequence[int] = DESKTOP,
    events: str | None = None,
    **options: Any,
) -> AsyncGenerator[Screen]:
    """Open a page in a browser of its own; at the end its console must be empty.

    `events` takes the place of what the server would tell the page.
    """
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        if events is not None:
            await _can(context, events)
        screen = await _open(context, address)
        yield screen
        assert screen.faults == []
    finally:
        await context.close()


async def _can(context: BrowserContext, events: str) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(body=events, content_type="text/event-stream")

    await context.route("**/events", answer)


async def _open(context: BrowserContext, address: str) -> Screen:
    screen = Screen(await context.new_page())
    await screen.page.goto(address)
    await screen.page.locator(".chat").first.wait_for(state="attached")
    return screen
