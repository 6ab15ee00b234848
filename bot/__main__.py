"""The command line: `python -m bot`, `python -m bot --polling`, `python -m bot setup`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bot.logs import configure_logging, redact
from bot.settings import Settings, SettingsError, load_settings

USAGE_ERROR = 2
GRACE = 20  # seconds for the requests in flight when the server is stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 2 and one line for a wrong setting."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.secrets)
        _run(options, settings)
    except SettingsError as error:
        print(redact(str(error)), file=sys.stderr)
        return USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="A Telegram chat bot that answers with Google Gemini."
        " Without arguments it serves the webhook on HOST and PORT.",
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--polling", action="store_true", help="fetch updates: no webhook needed")
    one.add_argument(
        "command", nargs="?", choices=["setup"], help="register WEBHOOK_URL with Telegram"
    )
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> None:
    """Import only what the command needs: the start is what people wait for."""
    if options.command == "setup":
        from bot.setup import set_up

        asyncio.run(set_up(settings))
    elif options.polling:
        from bot.polling import poll

        asyncio.run(poll(settings))
    else:
        import uvicorn

        from bot.app import app

        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            timeout_graceful_shutdown=GRACE,
        )


if __name__ == "__main__":
    sys.exit(main())
