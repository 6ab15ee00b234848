"""Knows which addresses people may be led to by a model's links."""

import re
from urllib.parse import unquote, urlsplit

MAX_URL_LENGTH = 2048

_WEB_SCHEMES = frozenset({"http", "https"})
_FORBIDDEN_IN_HOST = re.compile(r"[\\<>\"'`{}|^%!$&()*+,;=~\s]")
_EMAIL = re.compile(r"mailto:([^\s@<>?]+@[^\s@<>?.]+(?:\.[^\s@<>?.]+)+)(?:\?\S*)?", re.IGNORECASE)
_PHONE = re.compile(r"tel:(?://)?(\+?[\d().\- /]+)(?:[;?]\S*)?", re.IGNORECASE)
_PLAIN = re.compile(r"^(?:mailto|tel):(?://)?", re.IGNORECASE)
_DIGITS = range(3, 16)  # from emergency numbers to the longest of E.164


def usable_url(url: str) -> bool:
    """Tell whether `url` leads to the web, and Telegram takes it as the target of a link.

    Addresses with a user's name are none: `https://bank.example@other.example` misleads.
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
    """Return whom a `mailto:` link writes to."""
    match = _EMAIL.fullmatch(url)
    return match[1] if match else None


def phone_number(url: str) -> str | None:
    """Return whom a `tel:` link calls: digits, and a plus where there is one."""
    match = _PHONE.fullmatch(unquote(url))
    if not match:
        return None
    number = re.sub(r"[^\d+]", "", match[1])
    return number if len(number.removeprefix("+")) in _DIGITS and number.isascii() else None


def written(url: str) -> str:
    """Return an address as people read it, without the scheme of mail and telephone."""
    return _PLAIN.sub("", url)
