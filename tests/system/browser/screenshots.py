"""Makes the pictures of docs/images: `python -m tests.system.browser.screenshots`.

Formulas look best with a font for them, like Latin Modern Math (fonts-lmodern on Debian).
"""

import asyncio
import base64
import io
import tempfile
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.processes import ROOT
from tests.system.browser.chromium import launch
from tests.system.browser.sandbox import Sandbox, running
from tests.system.browser.screen import ANN, BEN, DESKTOP, GROUP, PHONE, Screen, watched

FOLDER = ROOT / "docs" / "images"
FILM = (600, 720)
FRAME = 0.1  # seconds
STILL = 2500  # milliseconds of the last frame
QUALITY = 82

Frame = tuple[float, bytes]


async def main() -> None:
    """Run the sandbox and take all pictures of it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            running(Path(folder)) as sandbox,
            async_playwright() as playwright,
            launch(playwright) as browser,
        ):
            for scene in (light, dark, phone, film):
                await sandbox.calm()
                await scene(browser, sandbox)


async def light(browser: Browser, sandbox: Sandbox) -> None:
    """Take a table and a formula, beside the journal."""
    address = f"{sandbox.url}/#/{ANN}/{ANN}"
    async with watched(browser, address, DESKTOP, color_scheme="light") as screen:
        await screen.write("A formula, please")
        await screen.answered()
        await screen.write("And a table of the planets?")
        await screen.answered(2)
        await _picture(screen, "sandbox-light.png")


async def dark(browser: Browser, sandbox: Sandbox) -> None:
    """Take a group, in which an update is looked at."""
    addresses = [f"{sandbox.url}/#/{person}/{GROUP}" for person in (BEN, ANN)]
    async with (
        watched(browser, addresses[0]) as ben,
        watched(browser, addresses[1], DESKTOP, color_scheme="dark") as ann,
    ):
        await ben.write("@sandbox_bot which tasks are left?")
        await ben.answered()
        await ann.write("@sandbox_bot and some code, please")
        await ann.answered(3)
        await ann.page.get_by_label("This chat only").check()
        await ann.page.locator(".entry.update .entry-head").last.click()
        await _picture(ann, "sandbox-dark.png")


async def phone(browser: Browser, sandbox: Sandbox) -> None:
    """Take the chat on a phone."""
    address = f"{sandbox.url}/#/{ANN}/{ANN}"
    options: dict[str, Any] = {
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    }
    async with watched(browser, address, PHONE, **options) as screen:
        await screen.write("A quote, a list and tasks")
        await screen.answered()
        await _picture(screen, "sandbox-phone.png")


async def film(browser: Browser, sandbox: Sandbox) -> None:
    """Take an answer as it grows."""
    address = f"{sandbox.url}/#/{ANN}/{ANN}"
    async with watched(browser, address, FILM, color_scheme="light") as screen:
        await screen.page.get_by_role("textbox", name="Message").focus()
        frames = await _shoot(screen.page, lambda: _ask(screen))
    _save(frames, FOLDER / "sandbox-stream.webp")


async def _ask(screen: Screen) -> None:
    await screen.page.keyboard.type("Show me a table and a formula", delay=45)
    await screen.page.keyboard.press("Enter")
    await screen.answered()
    await asyncio.sleep(0.5)


async def _shoot(page: Page, act: Callable[[], Awaitable[None]]) -> list[Frame]:
    """Take what the browser paints, each with its moment, while something is done."""
    frames: list[Frame] = []
    session = await page.context.new_cdp_session(page)

    async def take(event: dict[str, Any]) -> None:
        moment = event["metadata"]["timestamp"]
        if not frames or moment - frames[-1][0] >= FRAME:
            frames.append((moment, base64.b64decode(event["data"])))
        await session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    session.on("Page.screencastFrame", take)
    await session.send("Page.startScreencast", {"format": "png"})
    await act()
    await session.send("Page.stopScreencast")
    return [*frames, (frames[-1][0] + FRAME, await page.screenshot())]


def _save(frames: list[Frame], path: Path) -> None:
    lengths = [round(1000 * (end - start)) for (start, _), (end, _) in pairwise(frames)]
    first, *others = [Image.open(io.BytesIO(content)).convert("RGB") for _, content in frames]
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[*lengths, STILL],
        loop=0,
        quality=QUALITY,
        method=4,
    )


async def _picture(screen: Screen, name: str) -> None:
    """Take a picture without a pointer on anything, and of formulas that are there."""
    await screen.page.mouse.move(0, 0)
    await screen.page.evaluate("document.activeElement.blur()")
    await expect(screen.page.locator(".formula code, .message.enter:not(article)")).to_have_count(
        0
    )
    await asyncio.sleep(0.4)
    await screen.page.screenshot(path=FOLDER / name)


if __name__ == "__main__":
    asyncio.run(main())
