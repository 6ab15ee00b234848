"""The kinds of failure of a request to Gemini, and the remedies to try before giving up."""

import email.utils
import json
import re
import time
from collections.abc import Iterable, Mapping
from enum import Enum, Flag, auto
from typing import Any

import aiohttp

_STATUS = re.compile(r"[A-Z_]{1,40}")
_QUOTA = re.compile(r"[A-Z][A-Za-z-]{1,120}")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)s?", re.IGNORECASE)
# Google's and gateways' messages, in lower case, for errors that share a code and a status
_COUNTRY = re.compile(
    r"location is not supported"
    r"|not (?:available|supported) in your (?:country|region|location|territory)"
)
_UNPAID = re.compile(
    r"credits? (?:are|is|has been|have been) (?:depleted|exhausted|used up)"
    r"|insufficient (?:credit|balance|funds)|credit balance is too low|spend(?:ing)? (?:cap|limit)"
    r"|billing (?:to be enabled|account .{0,80}(?:not active|closed|disabled))"
)
_NO_QUOTA = re.compile(r"\blimit: 0(?!\.?\d)|(?:does not|doesn't) have a free quota")
_NO_INSTRUCTION = re.compile(
    r"(?:developer|system)[ _]?instructions? (?:is|are) (?:not (?:enabled|supported)|unsupported)"
    r"|not support (?:developer|system)[ _]?instruction|unknown name \W*system_?instruction"
)
_NO_FUNCTIONS = re.compile(
    r"(?:function calling|functions|tools?|tool use)(?: with function calling)?"
    r" (?:is|are) (?:not (?:enabled|supported)|unsupported)"
    r"|not support (?:function|tool)|unknown name \W*tools"
)


class Trait(Flag):
    """A property shared by several kinds of failure."""

    NONE = 0
    PASSING = auto()  # it may be over when the user asks the same question again
    CHANCE = auto()  # the same request may succeed, even at once
    OF_THE_QUESTION = auto()  # caused by the question: it says nothing about the bot
    DOWN = auto()  # no other user gets an answer either


class Kind(Enum):
    """Why there is no answer; each kind is worth a sentence of its own to the user.

    They are numbered, because kinds with the same traits would otherwise be aliases.
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
    COUNTRY = 17, Trait.NONE
    UNPAID = 18, Trait.NONE
    NO_QUOTA = 19, Trait.NONE

    def __init__(self, _: int, traits: Trait) -> None:
        self.traits = traits


# HTTP codes with a single meaning, https://ai.google.dev/gemini-api/docs/troubleshooting
_KINDS = {
    401: Kind.KEY_REFUSED,
    402: Kind.UNPAID,
    403: Kind.KEY_REFUSED,
    404: Kind.UNREACHABLE,  # a page from elsewhere, not the API: the endpoint is wrong
    408: Kind.TOO_SLOW,
    499: Kind.TOO_SLOW,
    500: Kind.OVERLOADED,
    502: Kind.OVERLOADED,
    504: Kind.TOO_SLOW,
    529: Kind.OVERLOADED,
}


class Remedy(Enum):
    """A remedy that the client tries before it reports a failure."""

    NONE = auto()
    WAIT = auto()
    AGAIN = auto()
    ONCE_MORE = auto()  # after a moment: a fault inside Google or in the connection
    STRIP_SIGNATURES = auto()
    WITHOUT_INSTRUCTION = auto()
    WITHOUT_FUNCTIONS = auto()
    DEFAULT_MODEL = auto()


_ONCE_MORE = {500, 502, 504}
LONGEST_ERROR = 2**16  # bytes read of an error: Google's own have fewer than 10,000
MOST_QUOTAS = 4  # in one reason
LONGEST_HINT = 366 * 24 * 3600.0  # seconds; anything longer means the same: not soon


class GeminiError(Exception):
    """A failure to get an answer; `retry_after` is in seconds, or None if Google named no time.

    The text contains only codes, because Google's own messages quote keys and users' words.
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
    """Return the meaning of a connection's exception; None if it is unforeseen."""
    name = type(error).__name__
    match error:
        case GeminiError():
            return error
        case TimeoutError():
            return GeminiError(Kind.TOO_SLOW, reason=name)
        case aiohttp.ClientOSError() | aiohttp.ServerDisconnectedError():
            return GeminiError(Kind.UNREACHABLE, remedy=Remedy.ONCE_MORE, reason=name)
        case aiohttp.ClientError() | OSError():
            return GeminiError(Kind.UNREACHABLE, reason=name)
    return None


def refusal(status: int, body: bytes, headers: Mapping[str, str]) -> GeminiError:
    """Return the meaning of an HTTP error, given its status and body or the beginning of it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = body.decode(errors="replace")
    return _Refusal(status, said, headers).meaning()


def refusal_within(answer: dict[str, Any], headers: Mapping[str, str]) -> GeminiError:
    """Return the meaning of an error that came instead of an answer, or in the middle of one."""
    return _Refusal(None, answer, headers).meaning()


class _Refusal:
    """An error of the API: its code, its status and its relevant details."""

    def __init__(self, status: int | None, said: Any, headers: Mapping[str, str]) -> None:
        if isinstance(said, list):  # the form of streams that are not sent as events
            said = next(iter(said), None)
        error = said.get("error", said) if isinstance(said, dict) else said
        inner = error if isinstance(error, dict) else {"message": error}
        code = inner.get("code")
        self.code = status or (code if isinstance(code, int) else 0)
        self.remedy = Remedy.ONCE_MORE if status in _ONCE_MORE else Remedy.NONE
        self.status = _token(_STATUS, inner.get("status"))
        self.message = str(inner.get("message") or "").lower()
        self.details = _objects(inner.get("details"))
        self.headers = headers

    def meaning(self) -> GeminiError:
        """Return the error, with its kind by HTTP code and the remedy for it."""
        match self.code:
            case 400:
                return self._bad_request()
            case 403 if self._is_unpaid():
                return self._error(Kind.UNPAID)
            case 404 if self.status == "NOT_FOUND":
                return self._error(Kind.MODEL_UNKNOWN, Remedy.DEFAULT_MODEL)
            case 429:
                return self._too_many_requests()
            case 503:
                return self._error(Kind.OVERLOADED, Remedy.WAIT)
        return self._error(_KINDS.get(self.code, _kind_of_others(self.code)), self.remedy)

    def _bad_request(self) -> GeminiError:
        if any(str(item.get("reason")).startswith("API_KEY") for item in self.details):
            return self._error(Kind.KEY_REFUSED)
        if _COUNTRY.search(self.message):
            return self._error(Kind.COUNTRY)
        if self._is_unpaid():
            return self._error(Kind.UNPAID)
        return self._error(Kind.REJECTED, self._other_request())

    def _other_request(self) -> Remedy:
        """Return the remedy that changes a refused request."""
        if "thought signature" in self.message.replace("_", " "):
            return Remedy.STRIP_SIGNATURES
        if _NO_INSTRUCTION.search(self.message):
            return Remedy.WITHOUT_INSTRUCTION
        if _NO_FUNCTIONS.search(self.message):
            return Remedy.WITHOUT_FUNCTIONS
        return Remedy.NONE

    def _too_many_requests(self) -> GeminiError:
        if self._is_unpaid():
            return self._error(Kind.UNPAID)
        if _NO_QUOTA.search(self.message) or "0" in self._limits():
            return self._error(Kind.NO_QUOTA)
        if any("PerDay" in quota for quota in self._quotas()):
            return self._error(Kind.QUOTA_EXHAUSTED)
        return self._error(Kind.RATE_LIMITED, Remedy.WAIT)

    def _is_unpaid(self) -> bool:
        reasons = {str(item.get("reason")) for item in self.details}
        return "BILLING_DISABLED" in reasons or bool(_UNPAID.search(self.message))

    def _error(self, kind: Kind, remedy: Remedy = Remedy.NONE) -> GeminiError:
        quotas = list(dict.fromkeys(self._quotas()))[:MOST_QUOTAS]
        reason = " ".join(filter(None, (str(self.code), self.status, *quotas)))
        return GeminiError(kind, self._retry_after(), remedy=remedy, reason=reason)

    def _quotas(self) -> list[str]:
        return [_token(_QUOTA, each.get("quotaId")) for each in self._violations()]

    def _limits(self) -> set[str]:
        return {str(each.get("quotaValue")) for each in self._violations()}

    def _violations(self) -> list[dict[str, Any]]:
        found = (_objects(item.get("violations")) for item in self.details)
        return [each for violations in found for each in violations]

    def _retry_after(self) -> float | None:
        hints = [_seconds(item.get("retryDelay")) for item in self.details]
        hints.append(_header_seconds(self.headers.get("Retry-After")))
        return max((hint for hint in hints if hint is not None), default=None)


def _kind_of_others(code: int) -> Kind:
    return Kind.UNREACHABLE if code >= 500 or 0 < code < 400 else Kind.REJECTED


def _objects(value: Any) -> list[dict[str, Any]]:
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict)]


def _token(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _seconds(value: Any) -> float | None:
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return min(float(match[1]), LONGEST_HINT) if match else None


def _header_seconds(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header: a number or an HTTP date (RFC 9110, 10.2.3)."""
    if value is None or (seconds := _seconds(value)) is not None:
        return seconds if value else None
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):  # not a date, or one out of range
        return None
    return min(max(0.0, seconds), LONGEST_HINT)
