"""A test request to the webhook, sent as Telegram sends them, but without an update."""

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

# Our client's errors in Telegram's words; the first match applies
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
    """The response: an HTTP status, or else an error in Telegram's words.

    `is_bot` tells whether this bot itself answered.
    """

    status: int | None
    error: str = ""
    is_bot: bool = False

    def __str__(self) -> str:
        """Return the status or the error as text."""
        return self.error or str(self.status)


async def probe(url: str, secret: str | None) -> Answer:
    """Post a body that is not an update: the bot answers 400, or 401 without the secret."""
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
