"""The command line: `python -m bot`, with `--polling`, `setup`, `doctor` or `sandbox`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

try:
    from bot.logs.configure import configure_logging
    from bot.logs.redaction import redact
    from bot.settings import Settings, SettingsError, load_settings
    from bot.settings.host import Host
    from bot.startup import prepare_process
    from bot.startup.output import write_at_once
except ModuleNotFoundError as error:  # the system's Python does not have our packages
    sys.exit(f"{error.name} is not installed: write `.uv/bin/uv run --no-dev python -m bot`.")

USAGE_ERROR = 2
LAST_PORT = 65535
GRACE = 20  # seconds for requests in progress when the server is stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 2, after one line, for a wrong setting."""
    prepare_process()
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.polling and options.command:
        parser.error(f"{options.command}: not allowed with argument --polling")
    if options.command == "setup" and Host().is_preview:
        print("This is a preview deployment: nothing is set up.")
        return 0
    if options.command == "doctor":
        return _examine(as_json=options.json)
    if options.command == "sandbox":
        from bot.sandbox.with_bot import play

        return play(options)
    try:
        _run(options, load_settings())
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
    parser.add_argument("--polling", action="store_true", help="fetch updates: no webhook needed")
    commands = parser.add_subparsers(dest="command", title="commands")
    setup = commands.add_parser("setup", help="register the webhook, and what it needs")
    setup.add_argument("--dry-run", action="store_true", help="say what would change")
    doctor = commands.add_parser("doctor", help="find out what keeps the bot from answering")
    doctor.add_argument("--json", action="store_true", help="for scripts")
    _add_sandbox(
        commands.add_parser("sandbox", help="try the bot in a browser: no account, no key")
    )
    return parser


def _add_sandbox(sandbox: argparse.ArgumentParser) -> None:
    sandbox.add_argument("--host", default="127.0.0.1", help="where the page listens")
    sandbox.add_argument("--port", type=_port, default=8080, help="and the port; default 8080")
    sandbox.add_argument("--database", metavar="URL", help="default: SQLite in the folder")
    sandbox.add_argument("--folder", default="sandbox", help="for all that is kept")
    sandbox.add_argument(
        "--built-in", action="store_true", help="use no key, even if there is one"
    )
    sandbox.add_argument("--no-browser", action="store_true", help="open no browser")
    sandbox.add_argument(
        "--beyond-loopback", action="store_true", help="let others on the network in"
    )


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number from 1 to {LAST_PORT}, please")


def _examine(*, as_json: bool) -> int:
    from bot.operator.doctor import examine, of_settings, report

    try:
        settings = load_settings()
    except SettingsError as error:
        return report(of_settings(error.lines), as_json=as_json)
    configure_logging("ERROR", settings.secrets, settings.log_format)  # it prints the rest
    return report(asyncio.run(examine(settings)), as_json=as_json)


def _run(options: argparse.Namespace, settings: Settings) -> None:
    """Run the chosen command; import only what it needs, because imports delay the start."""
    if options.command == "setup":
        configure_logging("WARNING", settings.secrets, settings.log_format)  # it prints the rest
        from bot.operator.setup import set_up

        return asyncio.run(set_up(settings, dry_run=options.dry_run))
    configure_logging(settings.log_level, settings.secrets, settings.log_format)
    if options.polling:
        from bot.polling import poll

        return asyncio.run(poll(settings))
    import uvicorn

    from bot.app import app
    from bot.connections import BACKLOG, KEEP_ALIVE, Protocol, allow_open_files

    allow_open_files()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # each update has its own line, see bot.logs.update_log
        http=Protocol,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        ws="none",  # the bot has no WebSockets, and this saves importing a library for them
        timeout_graceful_shutdown=GRACE,
    )
    return None


if __name__ == "__main__":
    write_at_once()
    sys.exit(main())
