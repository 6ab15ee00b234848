"""Errors in the log: where they come from, but never their texts."""

import logging
import traceback
from collections.abc import Iterator


def log_error(
    logger: logging.Logger, message: str, *arguments: object, error: BaseException
) -> None:
    """Log a message about an error, followed by the error's origin; see `origin`."""
    logger.error("%s: %s", message % arguments, origin(error), stacklevel=2)


def origin(error: BaseException) -> str:
    """Say where an error comes from: its type, SQLSTATE and frames, then those of its causes.

    The texts of exceptions are left out, because databases, pydantic and SDKs quote keys and what
    people wrote in them.
    """
    return "\nfrom ".join(map(_describe, _chain(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _describe(error: BaseException) -> str:
    # The names that asyncpg and sqlite3 give the code
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    name = type(error).__name__ + (f" {code}" if code else "")
    return "".join([name, "\n", *traceback.format_tb(error.__traceback__)]).rstrip()
