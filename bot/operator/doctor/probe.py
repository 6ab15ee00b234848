"""Knocking at the webhook as Telegram does, with a body that holds no update."""

from dataclasses import dataclass

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

from bot import BOT_HEADER
from bot.settings import SECRET_HEADER
from bot.startup.tls import tls_context

TIMEOUT = ClientTimeout(total=12, connect=5)  # seconds; a cold start takes a few

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

    `is_bot` says whether this bot itself has answered.
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
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as session,
            session.post(
                url, json={}, headers=headers, allow_redirects=False, ssl=tls_context()
            ) as response,
        ):
            return Answer(response.status, is_bot=BOT_HEADER in response.headers)
    except (ClientError, TimeoutError, ValueError) as error:
        return Answer(None, _in_words(error))


def _in_words(error: Exception) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "Connection reset")
