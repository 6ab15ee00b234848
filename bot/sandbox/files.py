"""The files that people have sent: getFile and their contents."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Final

from bot.sandbox.parameters import ApiError, Json, bad_request

DOWNLOAD_LIMIT: Final = 20 * 1024 * 1024


class Files:
    """The stored files by file_id and by path; their contents are in memory or in a folder."""

    def __init__(self, lock: RLock, folder: Path | None = None) -> None:
        self._lock = lock
        self._folder = folder
        self._last = 0
        self._files: dict[str, Json] = {}
        self._contents: dict[str, bytes] = {}

    def add(self, content: bytes, path: str | None, file_size: int | None) -> str:
        """Store a file and return its file_id."""
        with self._lock:
            self._last += 1
            number = self._last
            path = path or f"photos/file_{number}.jpg"
            file = {
                "file_id": f"file-{number}",
                "file_unique_id": f"unique-{number}",
                "file_size": len(content) if file_size is None else file_size,
                "file_path": path,
            }
            self._files[f"file-{number}"] = file
            self._write(path, content)
        return f"file-{number}"

    def kept(self) -> list[Json]:
        """Return the files' metadata, for `restore`."""
        return list(self._files.values())

    def restore(self, kept: list[Json]) -> None:
        """Restore the metadata of files that are already in the folder."""
        self._files = {file["file_id"]: file for file in kept}
        self._last = max((int(name.rpartition("-")[2]) for name in self._files), default=0)

    def remove(self, file_ids: Iterable[str]) -> None:
        """Forget some files and delete their contents."""
        with self._lock:
            for file_id in file_ids:
                if file := self._files.pop(file_id, None):
                    self._remove(file["file_path"])

    def _remove(self, path: str) -> None:
        if self._folder is None:
            self._contents.pop(path, None)
        else:
            with suppress(OSError):  # another process has it open, or has already deleted it
                (self._folder / path).unlink()

    def _write(self, path: str, content: bytes) -> None:
        if self._folder is None:
            self._contents[path] = content
        else:
            file = self._folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def describe(self, file_id: str) -> Json:
        """Return the identifiers and the size of a stored file."""
        names = ("file_id", "file_unique_id", "file_size")
        return {name: self._files[file_id][name] for name in names}

    def get(self, parameters: Json) -> Json:
        """Answer getFile."""
        if not parameters.get("file_id"):
            raise bad_request("file_id not specified")
        file = self._files.get(parameters["file_id"])
        if file is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if file["file_size"] > DOWNLOAD_LIMIT:
            raise bad_request("file is too big")
        return file

    def read(self, path: str) -> bytes:
        """Return the contents at a file_path; ApiError 404 if there is no such file."""
        if self._folder is None:
            content = self._contents.get(path)
        elif any(file["file_path"] == path for file in self._files.values()):
            content = _read(self._folder / path)
        else:
            content = None
        if content is None:
            raise ApiError(404, "Not Found")
        return content


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # the file was deleted from outside
        return None
