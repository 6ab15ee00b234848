"""Knocking at the webhook as Telegram does, with a body that holds no update."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
)

from bot import NAME
from bot.tls import tls_context

TIMEOUT = ClientTimeout(total=12, connect=5)  # seconds; a cold start takes a few
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name

# Our client's errors in Telegram's words for them; the first that fits
_WORDS = (
    (ClientConnectorDNSError, "Failed to resolve host"),
    (ClientConnectorCertificateError, "SSL error"),
    (ClientSSLError, "SSL error"),
    (ConnectionTimeoutError, "Connection timed out"),
    (TimeoutError, "Read timeout expired"),
    (ClientConnectorError, "Connection refused"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status, or in its place an error in Telegram's words.

    `is_bot` says whether this bot answers at the same host.
    """

    status: int | None
    error: str = ""
    is_bot: bool = False

    def __str__(self) -> str:
        """Return either."""
        return self.error or str(self.status)


async def probe(url: str, secret: str | None) -> Answer:
    """Post to the webhook what is no update: the bot answers 400, without the secret 401."""
    headers = {SECRET_HEADER: secret} if secret else {}
    async with ClientSession(timeout=TIMEOUT) as session:
        try:
            async with session.post(
                url, json={}, headers=headers, allow_redirects=False, ssl=tls_context()
            ) as response:
                status = response.status
        except (ClientError, TimeoutError) as error:
            return Answer(None, _in_words(error))
        return Answer(status, is_bot=await _is_bot(session, url))


async def _is_bot(session: ClientSession, url: str) -> bool:
    # With the query: it may hold the key to the host's protection
    health = urlunsplit(urlsplit(url)._replace(path="/health"))
    try:
        async with session.get(health, allow_redirects=False, ssl=tls_context()) as response:
            body = await response.json(content_type=None)
    except (ClientError, TimeoutError, ValueError):
        return False
    return isinstance(body, dict) and body.get("name") == NAME


def _in_words(error: Exception) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "Connection reset")
