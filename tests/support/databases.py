"""Fixtures: a fresh empty database for a test, on SQLite and on PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Postgres, find_programs, open_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Run one PostgreSQL server for the whole session."""
    if not os.environ.get("TEST_POSTGRES_URL") and find_programs() is None:
        reason = "There is no PostgreSQL: set PG_BIN to its programs, or TEST_POSTGRES_URL"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with open_postgres() as server:
        yield server


@pytest.fixture
def postgresql_url(postgres_server: Postgres) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/test.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database: each test runs on both kinds."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
