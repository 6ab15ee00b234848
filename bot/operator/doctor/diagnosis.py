"""The meaning of webhook errors, in Telegram's words or as HTTP statuses, and their remedies."""

import re

from bot.operator.problems import Problem

SET_UP = "run `python -m bot setup`"

PROTECTED = Problem(
    "The host's protection answers 401 before the bot is asked",
    "turn it off for production (on Vercel: Settings, Deployment Protection), or add"
    f" ?x-vercel-protection-bypass=... to WEBHOOK_URL, then {SET_UP}",
)
OTHER_SECRET = Problem(
    "The bot at the address has another secret than these settings",
    f"use one TELEGRAM_BOT_TOKEN and one TELEGRAM_WEBHOOK_SECRET for both, then {SET_UP}",
)
STALE_SECRET = Problem("Telegram sends another secret than the bot wants", SET_UP)

# The first match applies
_MEANINGS = (
    (
        r"\b401\b",
        "Whoever answers at the address wants another secret than Telegram sends",
        f"{SET_UP}; if it stays so, turn off the host's protection for production",
    ),
    (
        r"\b(2\d\d|400)\b",
        "Somebody else answers at the address",
        f"set WEBHOOK_URL to the bot's own, then {SET_UP}",
    ),
    (
        r"\b40[45]\b",
        "Nothing of the bot's is at this path of the address",
        f"set WEBHOOK_URL to the bot's address, which ends in /webhook, then {SET_UP}",
    ),
    (
        r"\b30[12378]\b",
        "The address leads on to another one, where Telegram does not go",
        f"set WEBHOOK_URL to the last one, then {SET_UP}",
    ),
    (r"\b403\b", "A firewall or proxy refuses requests", "let POST requests to /webhook pass"),
    (
        r"\b413\b",
        "The proxy in front of the bot refuses large requests",
        "let it pass 1 MB (nginx: client_max_body_size 1m)",
    ),
    (
        r"\b503\b",
        "The bot asks for its updates again later",
        "read the bot's log: its database is away or not migrated, or it has too much to do",
    ),
    (
        r"\b5\d\d\b",
        "The bot does not start, or the proxy does not reach it",
        "read the host's log: a setting may be missing there",
    ),
    (
        r"(?i)ssl|certificate",
        "The address has no certificate that Telegram trusts",
        "renew it with its whole chain; a proxy such as Caddy does so by itself",
    ),
    (
        r"(?i)resolve",
        "The address names a host that does not exist",
        f"check the domain in WEBHOOK_URL, then {SET_UP}",
    ),
    (
        r"(?i)reserved",
        "The address is inside a private network, where Telegram does not go",
        f"set WEBHOOK_URL to a public address, then {SET_UP}",
    ),
    (
        r"(?i)read timeout",
        "The bot takes more than a minute to answer",
        "read its log for what takes long: the database or the model",
    ),
    (
        r"(?i)connect|timed out|unreachable",
        "Nobody listens at the address",
        "start the bot, or the proxy in front of it, and open its port to the internet",
    ),
)


def explain(error: str) -> Problem:
    """Return the problem behind an error."""
    for pattern, what, mend in _MEANINGS:
        if re.search(pattern, error):
            return Problem(f"{what} ({error})", mend)
    return Problem(f"Telegram cannot deliver ({error})", "read the host's log")
