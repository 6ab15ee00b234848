"""`python -m bot.sandbox`: a Telegram on this machine, and its page, for a bot of one's own."""

import asyncio
import secrets
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.guard import guard
from bot.sandbox.parameters import bad_request
from bot.sandbox.servers import Address, PortTakenError, end_by_signals, serve
from bot.sandbox.site import Page
from bot.sandbox.world import open_world
from bot.startup.output import write_at_once

HOST = "127.0.0.1"
LAST_PORT = 65535
MODEL = {"builtin": False, "name": "your bot"}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m bot.sandbox", description=__doc__)
    parser.add_argument("--port", type=_port, default=8080, help="of the page; default 8080")
    parser.add_argument("--token", help="that the bot has: <number>:<text>; default: made up")
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= LAST_PORT:
        return int(text)
    raise ArgumentTypeError(f"a number up to {LAST_PORT}, please")


async def _serve(options: Namespace, token: str, folder: Path) -> None:
    end_by_signals()
    async with open_world(token, MODEL, folder) as world:
        world.restart = _refuse
        world.runs(True)
        application = world.telegram.application(Page(world).routes())
        application.middlewares.append(guard(HOST))
        application.on_shutdown.append(world.close)
        async with serve(application, Address(HOST, options.port)) as address:
            print(f"Open {address.url} and write to your bot.")
            print(f"Its Bot API is at {address.url}, its token is {token}")
            print("Nothing is kept. Ctrl+C ends it.")
            await asyncio.Event().wait()


def _refuse() -> None:
    raise bad_request("this bot is your own: start it again where you started it")


def main() -> int:
    """Run until it is interrupted; return the exit status."""
    parser = _parser()
    options = parser.parse_args()
    token = options.token or f"1000000001:{secrets.token_urlsafe(26)}"
    if not token.partition(":")[0].isdecimal():
        parser.error("--token is <number>:<text>")
    try:
        with TemporaryDirectory() as folder, suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_serve(options, token, Path(folder)))
    except PortTakenError as error:
        parser.exit(2, f"{error}\n")
    return 0


if __name__ == "__main__":
    write_at_once()
    raise SystemExit(main())
