"""The sandbox's folder, which one process uses at a time."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class FolderError(Exception):
    """An error that says why a folder cannot be used."""


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Make a folder and reserve it for this process; yield its absolute path."""
    folder = Path(name).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderError(f"{folder} cannot be used: {error.strerror}.") from None
    try:
        if not _is_locked(lock):
            raise FolderError(
                f"{folder} is in use by another sandbox: choose another one by --folder."
            )
        yield folder
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    """Lock an open file until it is closed; return False if another process has locked it."""
    try:
        _lock(lock)
    except OSError:
        return False
    return True


def _lock(lock: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
