"""The state kept between two starts: one JSON file, written soon after each change."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bot.sandbox.parameters import Json

FILE: Final = "telegram.json"
DELAY: Final = 0.5  # seconds from a change until it is written
VERSION: Final = 1


class StoreError(Exception):
    """An error that says that the stored state cannot be read."""


class Store:
    """A file for the state that `give` returns, written atomically after changes."""

    def __init__(self, folder: Path, give: Callable[[], Json]) -> None:
        self._file = folder / FILE
        self._give = give
        self._changed = asyncio.Event()

    def read(self, take: Callable[[Json], None]) -> None:
        """Pass on the stored state, if there is any; raise StoreError if it cannot be read."""
        try:
            kept = json.loads(self._file.read_bytes())
            if kept["version"] != VERSION:
                raise self._unreadable("another version")
            take(kept)
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self._unreadable(type(error).__name__) from None

    def change(self) -> None:
        """Note a change, so that the state is written soon."""
        self._changed.set()

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Write after each change while the block runs, and once more at its end."""
        writer = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            writer.cancel()
            self._try_to_write()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(DELAY)
            self._try_to_write()

    def _try_to_write(self) -> None:
        with suppress(OSError):  # the disk may be full; the next change may find space
            self._write()

    def _write(self) -> None:
        self._changed.clear()
        text = json.dumps({"version": VERSION, **self._give()})
        fresh = self._file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)  # no other user of this machine may read what people wrote
        fresh.write_text(text)
        fresh.replace(self._file)

    def _unreadable(self, why: str) -> StoreError:
        return StoreError(f"{self._file} cannot be read ({why}): remove it to begin anew.")
