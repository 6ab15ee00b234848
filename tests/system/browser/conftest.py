"""One sandbox and one Chromium for all tests of the page, and windows into it for each."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.system.browser.chromium import find_chromium, launch
from tests.system.browser.sandbox import Sandbox, running
from tests.system.browser.screen import CLEO, DESKTOP, Screen, Visit, watched


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of the page in the loop that their browser lives in."""
    for item in items:
        if "tests/system/browser/" not in item.path.as_posix():
            continue
        item.add_marker(pytest.mark.slow("drives a browser"))
        if pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    """Start Chromium; where there is none, skip, but fail in CI."""
    if find_chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to install Chromium")
        pytest.skip("no Chromium is installed")
    async with async_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(
    browser: Browser,  # noqa: ARG001 - where there is none, nothing need start
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Sandbox]:
    """Run the sandbox."""
    async with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, sandbox: Sandbox) -> AsyncGenerator[Visit]:
    """Give what opens the page for a person in a chat, in a browser of its own.

    Nothing fails on purpose and all chats are empty; at the end no console may have complained.
    """
    await sandbox.calm()
    async with AsyncExitStack() as stack:

        async def visit(
            person: int = CLEO, chat: int | None = None, size: Sequence[int] = DESKTOP
        ) -> Screen:
            address = f"{sandbox.url}/#/{person}/{person if chat is None else chat}"
            return await stack.enter_async_context(watched(browser, address, size))

        yield visit
