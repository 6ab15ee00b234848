"""The bot's statements, and how many rows they read in a database that has seen much."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import open_engine
from tests.support.pasts import Past

# An exchange in five is one of Ann's: her chat alone has 4,000 messages
ANN = 42
PAST = Past(
    "20,000",
    exchanges=10_000,
    chats=2_000,
    chat="CASE n % 5 WHEN 0 THEN 41 ELSE n % 2000 END",
    asked=1,
    recent=10_000,
    noted=2_000,
)
LARGE = {"chat_message", "chat_session", "processed_update"}
LARGE |= {"chat_message_0"}  # where the messages are partitioned
# Rows that are made up, and an index in which there is only what is looked for
SMALL = {"CONSTANT", "places", "ix_processed_update_payload"}
MOST = 4_300  # rows that a statement reads: the limits look at those, of chat and person

Statement = tuple[str, Any]


@contextmanager
def watched() -> Iterator[list[Statement]]:
    """Yield a list that grows by every statement of ours on any connection."""
    statements: list[Statement] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.split(maxsplit=1)[0] in {"DELETE", "INSERT", "SELECT", "UPDATE", "WITH"}:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def assert_bounded(url: str, statements: Sequence[Statement], most: int = MOST) -> None:
    """Make sure that no statement reads a large table from end to end, or many rows of it."""
    assert statements
    async with open_engine(url) as engine:
        for statement, parameters in statements:
            async with engine.connect() as connection:
                explain = _on_sqlite if engine.dialect.name == "sqlite" else _on_postgresql
                scanned, rows = await explain(connection, statement, parameters)
                await connection.rollback()
            assert (scanned, max(rows, most)) == (set(), most), statement


async def _on_postgresql(
    connection: AsyncConnection, statement: str, parameters: Any
) -> tuple[set[str], int]:
    """Return the tables that are read from end to end, and how many rows are read at all."""
    # Done, not only planned: it is rolled back
    explained = await connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
    )
    plan = explained.scalar_one()[0]
    scans = [node for node in _nodes(plan["Plan"]) if node.get("Relation Name") in LARGE]
    whole = {node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan"}
    return whole, sum(map(_rows, scans))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _rows(scan: dict[str, Any]) -> int:
    read = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    return int(read * scan["Actual Loops"])


async def _on_sqlite(
    connection: AsyncConnection, statement: str, parameters: Any
) -> tuple[set[str], int]:
    """Return the tables that are read from end to end; how many rows it reads, it does not say."""
    explained = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    steps = [row.detail.split() for row in explained]
    # By its alias, where it has one: whatever is not known to be small counts as large
    return {step[1] for step in steps if step[0] == "SCAN" and not SMALL & {*step}}, 0
