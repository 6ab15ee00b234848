"""A real pgbouncer in transaction mode, in front of a PostgreSQL server of our own.

The program comes from the Debian package `pgbouncer`: from PGBOUNCER, else from the PATH.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.support.postgres import account, temporary_folder
from tests.support.servers import free_port

PLACES = "/usr/sbin:/usr/local/sbin"  # where packages put it; not in everybody's PATH
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
max_client_conn = 200
server_login_retry = 0.2
"""


class Pooler:
    """Own a pgbouncer in a temporary folder that is removed with it."""

    def __init__(self, program: str, server_url: str) -> None:
        self._program = program
        self._server = make_url(server_url)
        self._folder = temporary_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    def create(self) -> None:
        """Write the configuration."""
        configuration = CONFIGURATION.format(
            host=self._server.host,
            port=self._server.port,
            user=self._server.username,
            listen_port=self._port,
        )
        (self._folder / "pgbouncer.ini").write_text(configuration)
        if account():
            shutil.chown(self._folder, "nobody")

    def url(self, server_url: str) -> str:
        """Return the address of a database of the server by way of the pooler."""
        url = make_url(server_url).set(host="127.0.0.1", port=self._port)
        return url.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it on its port and wait until it listens."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - found by its name
                [self._program, "-q", str(self._folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **account(),
            )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it: what SIGTERM means changed with its version 1.23."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0


def find_pgbouncer() -> str | None:
    """Return the program's path."""
    if program := os.environ.get("PGBOUNCER"):
        return program
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{PLACES}")


@contextmanager
def open_pooler(server_url: str) -> Iterator[Pooler]:
    """Run a pooler in front of a server while the block lasts."""
    program = find_pgbouncer()
    if program is None:
        raise FileNotFoundError("pgbouncer: install the package, or name the program in PGBOUNCER")
    pooler = Pooler(str(Path(program).absolute()), server_url)
    try:
        pooler.create()
        pooler.start()
        yield pooler
    finally:
        pooler.remove()
