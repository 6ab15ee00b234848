"""How much is measured: in seconds, in a minute, in some minutes, in full."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """How many updates, or starts, each measurement takes; 0 leaves it out.

    `rounds` are pairs of runs, one of each application after the other.
    """

    rounds: int
    warm_up: int
    updates: int  # of a round
    chats: int  # so many that none is asked twice a second, for a chat bears one draft in that
    starts: int
    near: int  # one after the other, with the database near and far
    slow: int  # with a model that takes its time
    chunks: int  # answers of few and of many chunks
    memory: int = 0  # updates of one process
    waiting: int = 0  # chats at once
    processes: Sequence[int] = ()


TINY = Plan(
    rounds=1, warm_up=2, updates=6, chats=6, starts=1, near=2, slow=4, chunks=2,
)  # fmt: skip
QUICK = Plan(
    rounds=2, warm_up=64, updates=250, chats=480, starts=1, near=40, slow=240, chunks=24,
)  # fmt: skip
DEFAULT = Plan(
    rounds=5, warm_up=200, updates=600, chats=480, starts=5, near=100, slow=640, chunks=64,
)  # fmt: skip
FULL = replace(DEFAULT, memory=50_000, waiting=1000, processes=(1, 2, 4, 8))
