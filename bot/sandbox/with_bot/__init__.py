"""`python -m bot sandbox`: the bot with a Telegram and a model of its own, and a web page."""

import asyncio
import logging
import secrets
import sys
import webbrowser
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from os import environ
from pathlib import Path

from bot.sandbox.gemini import create_application
from bot.sandbox.guard import guard, is_loopback
from bot.sandbox.servers import Address, PortTakenError, end_by_signals, serve
from bot.sandbox.site import Page
from bot.sandbox.stage import ADMIN
from bot.sandbox.store import StoreError
from bot.sandbox.with_bot.application import Application, ApplicationError
from bot.sandbox.with_bot.environment import SettingsFileError, make_environment, read_settings
from bot.sandbox.with_bot.folder import FolderError, open_folder
from bot.sandbox.world import World, open_world

USAGE_ERROR = 2
PAGE_LOG = "page.log"
BOT_ID = 1_000_000_001
KEY = "the-built-in-model-takes-any-key"
DEFAULT_MODEL = "gemini-3.5-flash-lite"
BEYOND = (
    "{} lets others on the network use the sandbox and read along:"
    " add --beyond-loopback if that is what you want."
)


def play(options: Namespace) -> int:
    """Run the sandbox until it is interrupted; return the exit status."""
    if not (is_loopback(options.host) or options.beyond_loopback):
        print(BEYOND.format(f"--host {options.host}"), file=sys.stderr)
        return USAGE_ERROR
    try:
        asyncio.run(_play(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("The sandbox has ended.")
    except ApplicationError as error:
        print(error, file=sys.stderr)
        return error.status
    except (FolderError, PortTakenError, SettingsFileError, StoreError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    return 0


async def _play(options: Namespace) -> None:
    end_by_signals()
    settings = read_settings(Path(".env"), environ)
    if options.built_in:
        settings.pop("GEMINI_API_KEY", None)
    token = f"{BOT_ID}:{secrets.token_urlsafe(26)}"
    is_real = "GEMINI_API_KEY" in settings
    model = {"builtin": not is_real, "name": settings.get("GEMINI_MODEL_NAME", DEFAULT_MODEL)}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder(options.folder))
        _log_into(folder)
        world = await stack.enter_async_context(open_world(token, model, folder))
        print("The bot is being started ...")
        application = Application(folder, world.runs)
        world.restart = application.restart
        world.is_open = not is_loopback(options.host)
        page = await stack.enter_async_context(_open_page(world, options))
        if not is_real:
            settings |= await stack.enter_async_context(_open_model(world))
        environment = make_environment(
            environ,
            settings,
            token=token,
            telegram=page.url,
            admin=ADMIN,
            database=options.database,
        )
        keeper = await stack.enter_async_context(application.run(environment))
        _introduce(page, folder, is_real=is_real)
        if not options.no_browser:
            await _show(page.url)
        await keeper


def _log_into(folder: Path) -> None:
    """Write the log of the page's server, including broken requests, to a file."""
    logger = logging.getLogger("aiohttp.server")
    logger.propagate = False
    logger.addHandler(logging.FileHandler(folder / PAGE_LOG, delay=True))


@asynccontextmanager
async def _open_page(world: World, options: Namespace) -> AsyncGenerator[Address]:
    application = world.telegram.application(Page(world).routes())
    application.middlewares.append(guard(options.host))
    application.on_shutdown.append(world.close)
    async with serve(application, Address(options.host, options.port)) as address:
        yield address


@asynccontextmanager
async def _open_model(world: World) -> AsyncGenerator[dict[str, str]]:
    gemini = create_application(world.switches.gemini)
    async with serve(gemini, Address("127.0.0.1", 0)) as address:
        yield {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": address.url}


def _introduce(page: Address, folder: Path, *, is_real: bool) -> None:
    model = "the real Gemini, on your key" if is_real else "a built-in model, not Gemini"
    # In one piece: a reader of the output that has seen the address has seen all of it
    print(
        f"Open {page.url} and write to the bot.\n"
        f"It is answered by {model}. All that is kept is in {folder}.\n"
        "This is for trying and developing, not for production. Ctrl+C ends it.",
        flush=True,
    )


async def _show(url: str) -> None:
    """Open the page in a graphical browser: one in the terminal would take it over."""
    is_graphical = sys.platform in {"win32", "darwin"} or {"DISPLAY", "WAYLAND_DISPLAY"} & set(
        environ
    )
    if is_graphical:
        await asyncio.to_thread(webbrowser.open, url)
