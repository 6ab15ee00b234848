"""The files that people sent: getFile and the bytes behind it."""

from itertools import count
from threading import RLock
from typing import Final

from bot.sandbox.parameters import ApiError, Json, bad_request

DOWNLOAD_LIMIT: Final = 20 * 1024 * 1024


class Files:
    """Stored files by file_id and by path."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._numbers = count(1)
        self._files: dict[str, Json] = {}
        self._contents: dict[str, bytes] = {}

    def add(self, content: bytes, path: str | None, file_size: int | None) -> str:
        """Store a file and give its file_id."""
        with self._lock:
            number = next(self._numbers)
            path = path or f"photos/file_{number}.jpg"
            file = {
                "file_id": f"file-{number}",
                "file_unique_id": f"unique-{number}",
                "file_size": len(content) if file_size is None else file_size,
                "file_path": path,
            }
            self._files[f"file-{number}"] = file
            self._contents[path] = content
        return f"file-{number}"

    def describe(self, file_id: str) -> Json:
        """Give the identifiers and the size of a stored file."""
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
        """Give the bytes behind a file_path; ApiError 404 where there are none."""
        content = self._contents.get(path)
        if content is None:
            raise ApiError(404, "Not Found")
        return content
