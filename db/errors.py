"""The errors of a database: it is unavailable, or a row's values are at fault."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Errors about a row's values: SQLSTATE classes for data, integrity and limits, and SQLite's codes
ROW_CLASSES = {"22", "23", "54"}
ROW_CODES = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
# Errors about names in a statement: a table is missing, or the right to use it
NAMES_CLASS, NAMES_CODE = "42", sqlite3.SQLITE_ERROR


class DatabaseUnavailable(Exception):
    """The error that the database cannot be reached or cannot work; its text has no secrets.

    `reason` is the name of the driver's error; `refuses` tells that the database was reached but
    refused a statement because a table or a right is missing.
    """

    def __init__(self, cause: BaseException) -> None:
        self.reason, self.refuses = _name(cause), _is_about_names(cause)
        if isinstance(cause, DatabaseUnavailable):
            self.reason, self.refuses = cause.reason, cause.refuses
        state = "refuses its work" if self.refuses else "cannot be reached"
        super().__init__(f"The database {state} ({self.reason})")


def unavailable(error: BaseException | None) -> DatabaseUnavailable | None:
    """Return the DatabaseUnavailable in an error's chain of causes, if there is one."""
    while error is not None and not isinstance(error, DatabaseUnavailable):
        error = error.__cause__
    return error


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error is not about rows: the database is gone, full or being restored."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError | PoolTimeout)
    if isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return False  # the driver itself rejects a value
    return error.connection_invalidated or not (
        _state(error)[:2] in ROW_CLASSES or _code(error) in ROW_CODES
    )


def is_refused_by_driver(error: BaseException) -> bool:
    """Tell whether the driver cannot use its connection and has sent nothing."""
    return (
        isinstance(error, InterfaceError | InternalError)
        and not _state(error)  # else the server reported it
        and is_unavailable(error)
    )


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection was lost while a statement may have been running."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, ConnectionError)


def is_unreachable(error: BaseException) -> bool:
    """Tell whether a database is unavailable and not merely lacks a table or a right."""
    return is_unavailable(error) and not _is_about_names(error)


def _is_about_names(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and (
        _state(error)[:2] == NAMES_CLASS or _code(error) == NAMES_CODE
    )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _code(error: DBAPIError) -> int:
    code: int = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF  # the primary result code


@contextmanager
def translated(means_unavailable: Callable[[BaseException], bool]) -> Iterator[None]:
    """Raise DatabaseUnavailable for the errors of a block that mean it; let others pass."""
    try:
        yield
    except (OSError, SQLAlchemyError, UnicodeError) as error:
        if not means_unavailable(error):
            raise
        raise DatabaseUnavailable(error) from error


def always(_: BaseException) -> bool:
    """Return True: every error while connecting means that there is no connection."""
    return True


def _name(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig:
        # The driver's own class says more than SQLAlchemy's
        error = error.orig.__cause__ or error.orig
    return type(error).__name__
