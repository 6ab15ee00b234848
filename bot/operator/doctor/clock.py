"""The machine's clock, compared with that of the Bot API server."""

import time
from email.utils import parsedate_to_datetime

from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.operator.doctor.findings import Finding, fine, note
from bot.operator.problems import Problem
from bot.settings import Settings
from bot.startup.tls import tls_context

CHECK = "clock"
TIMEOUT = 10.0  # seconds
SKEW = 30.0  # seconds


async def check_clock(settings: Settings) -> list[Finding]:
    """Compare the clocks; return no findings if there is nothing to compare with."""
    limits = ClientTimeout(total=TIMEOUT)
    try:
        async with (
            ClientSession(timeout=limits) as session,
            session.head(settings.telegram_api_base_url, ssl=tls_context()) as response,
        ):
            theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (ClientError, TimeoutError, KeyError, ValueError):
        return []  # another check reports that the server cannot be reached
    ahead = time.time() - theirs
    if abs(ahead) <= SKEW:
        return [fine(CHECK, "right")]
    direction = "ahead" if ahead > 0 else "behind"
    what = f"This machine's clock is {abs(ahead):.0f} s {direction}"
    return [note(CHECK, Problem(what, "set it by NTP (`timedatectl set-ntp true`)"))]
