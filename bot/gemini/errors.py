"""The few ways in which Gemini gives no answer, and what may be tried before giving up."""

import email.utils
import json
import re
import time
from collections.abc import Iterable
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from google.genai.errors import APIError

_STATUS = re.compile(r"[A-Z_]{1,40}")
_QUOTA = re.compile(r"[A-Z][A-Za-z-]{1,120}")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s?")


class Trait(Flag):
    """What a kind of failure has in common with others."""

    NONE = 0
    PASSING = auto()  # it may be over when somebody asks the same once more
    CHANCE = auto()  # the same request may bring something, even at once
    OF_THE_QUESTION = auto()  # which brings it on itself: it says nothing of the bot
    DOWN = auto()  # nobody else gets an answer either


class Kind(Enum):
    """Why there is no answer; each kind is worth a sentence of its own to the user.

    They are numbered: by their traits alone some would be one and the same.
    """

    RATE_LIMITED = 1, Trait.PASSING
    QUOTA_EXHAUSTED = 2, Trait.NONE
    OVERLOADED = 3, Trait.PASSING | Trait.DOWN
    KEY_REFUSED = 4, Trait.NONE
    MODEL_UNKNOWN = 5, Trait.NONE
    BLOCKED = 6, Trait.OF_THE_QUESTION
    UNSAFE = 7, Trait.OF_THE_QUESTION | Trait.PASSING
    RECITED = 8, Trait.OF_THE_QUESTION | Trait.PASSING | Trait.CHANCE
    UNKNOWN_LANGUAGE = 9, Trait.OF_THE_QUESTION
    FORBIDDEN = 10, Trait.OF_THE_QUESTION
    PERSONAL = 11, Trait.OF_THE_QUESTION
    TOO_LONG = 12, Trait.OF_THE_QUESTION | Trait.PASSING
    EMPTY = 13, Trait.OF_THE_QUESTION | Trait.PASSING | Trait.CHANCE
    TOO_SLOW = 14, Trait.PASSING | Trait.DOWN
    UNREACHABLE = 15, Trait.PASSING | Trait.DOWN
    REJECTED = 16, Trait.NONE

    def __init__(self, _: int, traits: Trait) -> None:
        self.traits = traits


# HTTP codes that mean one thing alone, https://ai.google.dev/gemini-api/docs/troubleshooting
_KINDS = {
    401: Kind.KEY_REFUSED,
    403: Kind.KEY_REFUSED,
    404: Kind.UNREACHABLE,  # a page that is not the API's own: the endpoint is wrong
    408: Kind.TOO_SLOW,
    499: Kind.TOO_SLOW,
    500: Kind.OVERLOADED,
    502: Kind.OVERLOADED,
    504: Kind.TOO_SLOW,
    529: Kind.OVERLOADED,
}


class Remedy(Enum):
    """What the client does about a failure before it is anybody else's."""

    NONE = auto()
    WAIT = auto()
    AGAIN = auto()
    STRIP_SIGNATURES = auto()
    DEFAULT_MODEL = auto()


class GeminiError(Exception):
    """Gemini gave no answer; `retry_after` is in seconds where Google named a time.

    The text holds codes alone: Google's own messages quote keys and what people wrote.
    """

    def __init__(
        self,
        kind: Kind,
        retry_after: float | None = None,
        *,
        remedy: Remedy = Remedy.NONE,
        reason: str = "",
    ) -> None:
        super().__init__(f"{kind.name}: {reason}" if reason else kind.name)
        self.kind = kind
        self.retry_after = retry_after
        self.remedy = remedy


def understand(error: Exception) -> GeminiError | None:
    """Return what an exception of the SDK or of the connection means, None if it is unforeseen."""
    from google.genai.errors import APIError, UnknownApiResponseError

    name = type(error).__name__
    match error:
        case GeminiError():
            return error
        case APIError():
            return _Refusal(error).meaning()
        case TimeoutError():
            return GeminiError(Kind.TOO_SLOW, reason=name)
        case aiohttp.ClientError() | OSError():
            return GeminiError(Kind.UNREACHABLE, reason=name)
        case UnknownApiResponseError() | json.JSONDecodeError() | UnicodeDecodeError():
            return GeminiError(Kind.UNREACHABLE, reason=name)
    return None


class _Refusal:
    """An error answer of the API: its code, its status and the details that matter."""

    def __init__(self, error: "APIError") -> None:
        body = error.details if isinstance(error.details, dict) else {}
        inner = body.get("error", body)
        self.code = error.code
        self.status = _token(_STATUS, error.status)
        self.message = str(error.message or "").lower()
        self.details = _objects(inner.get("details") if isinstance(inner, dict) else None)
        self.headers = getattr(error.response, "headers", None) or {}

    def meaning(self) -> GeminiError:
        """Return the kind of a refusal by its HTTP code, and the remedy for it."""
        match self.code:
            case 400:
                return self._bad_request()
            case 404 if self.status == "NOT_FOUND":
                return self._error(Kind.MODEL_UNKNOWN, Remedy.DEFAULT_MODEL)
            case 429:
                return self._too_many_requests()
            case 503:
                return self._error(Kind.OVERLOADED, Remedy.WAIT)
        return self._error(_KINDS.get(self.code, Kind.REJECTED))

    def _bad_request(self) -> GeminiError:
        if any(str(item.get("reason")).startswith("API_KEY") for item in self.details):
            return self._error(Kind.KEY_REFUSED)
        if "thought signature" in self.message.replace("_", " "):
            return self._error(Kind.REJECTED, Remedy.STRIP_SIGNATURES)
        return self._error(Kind.REJECTED)

    def _too_many_requests(self) -> GeminiError:
        if any("PerDay" in quota for quota in self._quotas()):
            return self._error(Kind.QUOTA_EXHAUSTED)
        return self._error(Kind.RATE_LIMITED, Remedy.WAIT)

    def _error(self, kind: Kind, remedy: Remedy = Remedy.NONE) -> GeminiError:
        reason = " ".join(filter(None, (str(self.code), self.status, *self._quotas())))
        return GeminiError(kind, self._retry_after(), remedy=remedy, reason=reason)

    def _quotas(self) -> list[str]:
        violations = (_objects(item.get("violations")) for item in self.details)
        return [_token(_QUOTA, each.get("quotaId")) for found in violations for each in found]

    def _retry_after(self) -> float | None:
        hints = [_seconds(item.get("retryDelay")) for item in self.details]
        hints.append(_header_seconds(self.headers.get("Retry-After")))
        return max((hint for hint in hints if hint is not None), default=None)


def _objects(value: Any) -> list[dict[str, Any]]:
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict)]


def _token(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _seconds(value: Any) -> float | None:
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) if match else None


def _header_seconds(value: str | None) -> float | None:
    """Return a Retry-After header's seconds: a number or an HTTP date (RFC 9110, 10.2.3)."""
    if value is None or (seconds := _seconds(value)) is not None:
        return seconds if value else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
