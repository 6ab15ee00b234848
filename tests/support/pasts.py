"""Databases that have seen little and much: the same bot must be as fast on both."""

import time
from dataclasses import dataclass

from tests.system.benchmark.databases import ANSWER

# Numbers from 0, in the words of both databases
SERIES = (
    "WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last} - 1)"
)
TWO_DAYS = 2 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Past:
    """What a database has seen: exchanges of all its chats, one after the other.

    `chat` says in SQL whose exchange number n is; `asked` are the first chats, of 50 messages or
    more each. Of the last two days are `recent` exchanges; `noted` have a row in access and in
    preference.
    """

    name: str
    exchanges: int
    chats: int
    chat: str
    asked: int
    recent: int
    noted: int

    def filling(self, json: str) -> list[str]:
        """Return the statements that fill the tables; `json` is the dialect's type."""
        chats, exchanges, noted = (
            SERIES.format(first=0, last=count)
            for count in (self.chats, self.exchanges, self.noted)
        )
        recent = SERIES.format(first=self.exchanges - self.recent, last=self.exchanges)
        now = time.time()
        # Ids of updates before those that the bench gives out
        claimed = f"{now} + ({TWO_DAYS}.0 * (n - {self.exchanges})) / {self.recent}"
        return [
            f"INSERT INTO chat_session (chat_id) {chats} SELECT n + 1 FROM s ORDER BY n",
            (
                "INSERT INTO chat_message (chat_id, text, date, role, message_ids, update_id)"
                f" {exchanges} SELECT 1 + {self.chat},"
                f" substr('{ANSWER}', 1, 100 + (n + k) % 26 * 4),"
                " CURRENT_TIMESTAMP, CASE k WHEN 0 THEN 'user' ELSE 'model' END,"
                f" CAST('[' || (2 * n + k) || ']' AS {json}), n - {self.exchanges}"
                " FROM s CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1) AS both_messages"
            ),
            (
                "INSERT INTO processed_update (update_id, chat_id, person_id, status, owner,"
                f" lease_until, attempts, claimed_at, counted) {recent}"
                f" SELECT n - {self.exchanges}, 1 + {self.chat}, 1 + {self.chat}, 'done',"
                f" '{'0' * 32}',"
                f" {claimed} + 30, 1, {claimed}, true FROM s"
            ),
            (
                f"INSERT INTO access (id, status, since) {noted}"
                f" SELECT n + 1, 'allowed', {now} FROM s"
            ),
            (
                f"INSERT INTO preference (person_id, rich_messages) {noted}"
                " SELECT n + 1, 'auto' FROM s"
            ),
        ]


LITTLE = Past("10,000", 5_000, 10, "n % 10", asked=10, recent=100, noted=10)
# An exchange in five is one of 20,000 busy chats, 25 exchanges each; the others have two or three
MUCH = Past(
    "5,000,000",
    2_500_000,
    1_000_000,
    "CASE n % 5 WHEN 0 THEN n / 5 % 20000 ELSE 20000 + n % 980000 END",
    asked=480,
    recent=1_000_000,
    noted=100_000,
)
