"""The shared TLS context of all clients, as creating one reads all certificates and is slow."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLContext


@cache
def tls_context() -> "SSLContext":
    """Return a context that trusts the system's certificates and Mozilla's."""
    import ssl

    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
