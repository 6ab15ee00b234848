"""What others post to the webhook: malformed, oversized, without the secret."""

import asyncio
import json
from collections.abc import Sequence
from random import Random

from tests.system.faults.deck import Deck
from tests.system.faults.journal import Journal
from tests.system.faults.processes import BotProcess
from tests.system.faults.wire import Manner, post

INTERVAL = 0.25  # seconds
PATIENCE = 5.0  # seconds
LIMIT = 1024 * 1024  # bytes
LARGE = json.dumps({"update_id": 1, "message": {"text": "x" * LIMIT}}).encode()

# Body, manner and the status that it must bring; the ids are far from those of the campaign
BODIES = (
    (b"", Manner.WHOLE, 400),
    (b"{", Manner.WHOLE, 400),
    (b"\xff\xfe\x00", Manner.WHOLE, 400),
    (b"[" * 100_000, Manner.WHOLE, 400),
    (b"[]", Manner.CHUNKED, 400),
    (b'{"message": {}}', Manner.WHOLE, 400),
    (b'{"update_id": "1"}', Manner.TRICKLING, 400),
    (b'{"update_id": 1.5}', Manner.WHOLE, 400),
    (b'{"update_id": 900000001, "message": {"chat": []}}', Manner.WHOLE, 200),
    (b'{"update_id": 900000002, "news": {}}', Manner.WHOLE, 200),
    (LARGE, Manner.WHOLE, 413),
    (LARGE, Manner.CHUNKED, 413),
)


class Strangers:
    """Post what is no update, all the time."""

    def __init__(
        self, processes: Sequence[BotProcess], journal: Journal, random: Random, secret: str
    ) -> None:
        self._processes = processes
        self._journal = journal
        self._random = random
        self._secret = secret
        self._bodies = Deck(random, BODIES)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._post()
            await asyncio.sleep(self._random.uniform(0, 2 * INTERVAL))

    async def _post(self) -> None:
        body, manner, expected = self._bodies.draw()
        process = self._random.choice(self._processes)
        self._journal.faults[
            "webhook: oversized" if expected == 413 else "webhook: malformed"
        ] += 1
        try:
            reply = await post(process.port, body, self._secret, manner, PATIENCE)
        except (OSError, TimeoutError):
            return
        if reply.status not in {expected, 503}:
            self._journal.complain(f"{body[:20]!r}: status {reply.status} instead of {expected}")
