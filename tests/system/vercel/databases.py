"""Databases for the function, whose role has a password where the server is ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import make_url

from tests.support.postgres import LOCKED_ROLE, Postgres, execute

PASSWORD = "made-up-database-password-0123456789"


class Databases:
    """Copies of one database, which are dropped with it."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._urls: list[str] = []
        self._owner = LOCKED_ROLE if postgres.cluster else None

    def create(self, template: str | None = None) -> str:
        """Make a database, empty or a copy of the one at the URL `template`; return its URL."""
        name = f"test_{uuid4().hex}"
        owner = f" OWNER {self._owner}" if self._owner else ""
        source = f' TEMPLATE "{make_url(template).database}"' if template else ""
        execute(self._postgres.url, f'CREATE DATABASE "{name}"{owner}{source}')
        url = make_url(self._postgres.url).set(database=name)
        if self._owner:
            url = url.set(username=self._owner, password=PASSWORD)
        self._urls.append(url.render_as_string(hide_password=False))
        return self._urls[-1]

    @contextmanager
    def open(self) -> Iterator[None]:
        """Make the role while the block lasts, and drop all at its end."""
        if self._owner:
            command = f"CREATE ROLE {self._owner} LOGIN PASSWORD '{PASSWORD}'"
            execute(self._postgres.url, command)
        try:
            yield
        finally:
            for url in self._urls:
                self._postgres.drop_database(url)
            if self._owner:
                execute(self._postgres.url, f"DROP ROLE {self._owner}")
