"""`python -m bot doctor`: find what keeps the bot from answering, and how to fix it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.logs.errors import origin
from bot.logs.redaction import redact, redact_all
from bot.operator.doctor.clock import check_clock
from bot.operator.doctor.configuration import check_settings
from bot.operator.doctor.database import check_database
from bot.operator.doctor.findings import Finding, Status, fault, fine
from bot.operator.doctor.functions import check_tools
from bot.operator.doctor.model import check_gemini
from bot.operator.doctor.token import check_admins, check_token
from bot.operator.doctor.webhook import check_webhook
from bot.operator.problems import Problem
from bot.settings import Settings
from bot.telegram.client import open_bot
from db.url import DatabaseUrlError

TIMEOUT = 15.0  # seconds for each check

Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks at once; return the findings, each after those it depends on."""
    found = await asyncio.gather(*(_look(name, check, settings) for name, check in CHECKS.items()))
    return [finding for findings in found for finding in findings]


def of_settings(lines: list[str]) -> list[Finding]:
    """Return the findings that explain why the settings cannot be read."""
    file = Path(".env").absolute()
    source = (
        f"read from the environment and {file}{'' if file.exists() else ', which is not there'}"
    )
    return [
        fine("settings", source),
        *(fault("settings", _split(line.rstrip("."))) for line in lines),
    ]


def report(findings: list[Finding], *, as_json: bool) -> int:
    """Print the findings; return the command's exit status: 1 if something is wrong."""
    failed = any(finding.status is Status.FAILURE for finding in findings)
    if as_json:
        listed = [finding.to_json() for finding in findings]
        print(json.dumps({"ok": not failed, "findings": redact_all(listed)}, indent=2))
    else:
        print(redact("\n".join(map(str, findings))))
        print("Something is wrong: see above." if failed else "All is well.")
    return int(failed)


def _split(line: str) -> Problem:
    """Split a line into problem and remedy at the first semicolon, or else at a colon."""
    what, _, mend = line.partition("; " if "; " in line else ": ")
    return Problem(what, mend)


async def _check_telegram(settings: Settings) -> list[Finding]:
    async with open_bot(settings) as bot:
        findings, is_known = await check_token(bot, settings)
        if is_known:
            findings += await check_webhook(bot, settings)
            findings += await check_admins(bot, settings)
        return findings


async def _look(name: str, check: Check, settings: Settings) -> list[Finding]:
    """Run a check; if an error or timeout stops it, that is a finding as well."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await check(settings)
    except TimeoutError:
        what = f"There is no answer within {TIMEOUT:.0f} s"
        return [fault(name, Problem(what, "check the connection, and try again"))]
    except DatabaseUrlError as error:
        return [fault(name, Problem(f"{settings.database_variable} is wrong: {error}", "mend it"))]
    except Exception as error:  # noqa: BLE001 - the other checks' findings are still worth reading
        what = f"This could not be looked at ({origin(error).splitlines()[0]})"
        return [fault(name, Problem(what, "run `python -m bot` and read its log"))]


CHECKS: dict[str, Check] = {
    "settings": check_settings,
    "webhook": _check_telegram,
    "database": check_database,
    "gemini": check_gemini,
    "tools": check_tools,
    "clock": check_clock,
}
