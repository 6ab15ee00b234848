"""Rules for which addresses a model's links may lead users to."""

import re
from urllib.parse import unquote, urlsplit

MAX_URL_LENGTH = 2048

_WEB_SCHEMES = frozenset({"http", "https"})
_FORBIDDEN_IN_HOST = re.compile(r"[\\<>\"'`{}|^%!$&()*+,;=~\s]")
_EMAIL = re.compile(r"mailto:([^\s@<>?]+@[^\s@<>?.]+(?:\.[^\s@<>?.]+)+)(?:\?\S*)?", re.IGNORECASE)
_PHONE = re.compile(r"tel:(?://)?(\+?[\d().\- /]+)(?:[;?]\S*)?", re.IGNORECASE)
_PLAIN = re.compile(r"^(?:mailto|tel):(?://)?", re.IGNORECASE)
_DIGITS = range(3, 16)  # from emergency numbers to the longest that E.164 allows


def usable_url(url: str) -> bool:
    """Tell whether `url` is a web address that Telegram accepts as the target of a link.

    Addresses with a user name are rejected: `https://bank.example@other.example` misleads.
    """
    if len(url) > MAX_URL_LENGTH or any(char.isspace() or not char.isprintable() for char in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in _WEB_SCHEMES or "@" in parts.netloc or port == 0:
        return False
    return ":" in host or (_FORBIDDEN_IN_HOST.search(host) is None and _has_domain(host))


def _has_domain(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return len(labels) > 1 and all(labels)


def email_address(url: str) -> str | None:
    """Return the address that a `mailto:` link writes to, or None if it is not valid."""
    match = _EMAIL.fullmatch(url)
    return match[1] if match else None


def phone_number(url: str) -> str | None:
    """Return the number that a `tel:` link calls, as digits and any leading plus, or None."""
    match = _PHONE.fullmatch(unquote(url))
    if not match:
        return None
    number = re.sub(r"[^\d+]", "", match[1])
    return number if len(number.removeprefix("+")) in _DIGITS and number.isascii() else None


def written(url: str) -> str:
    """Return an address as people read it, without `mailto:` or `tel:`."""
    return _PLAIN.sub("", url)
