"""The dependencies of tools, and the error with which they report failures."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from aiohttp import ClientSession

HTTP_TIMEOUT = 8.0  # seconds for a request and its response
KEEP_ALIVE = 10.0  # seconds; connections do not survive a freeze of the process


class ToolError(Exception):
    """A failure that is reported to the model; its text is written for the model."""


@dataclass
class ToolContext:
    """The dependencies of the tools; the HTTP session is opened on first use."""

    owm_api_key: SecretStr | None
    owm_api_base_url: str
    _session: "ClientSession | None" = field(default=None, init=False, repr=False)

    @property
    def session(self) -> "ClientSession":
        """Return the HTTP session of the running loop."""
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, TCPConnector

            self._session = ClientSession(
                timeout=ClientTimeout(total=HTTP_TIMEOUT),
                connector=TCPConnector(keepalive_timeout=KEEP_ALIVE),
            )
        return self._session

    async def close(self) -> None:
        """Close the session if there is one."""
        if self._session is not None:
            await self._session.close()
