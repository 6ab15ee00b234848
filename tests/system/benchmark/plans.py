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
    attacks: bool = False
    flat: int = 0  # one after the other, where little is stored and where much is


# fmt: off
TINY = Plan(rounds=1, warm_up=1, updates=6, chats=6, starts=1, near=2, slow=4, chunks=2)
QUICK = Plan(
    rounds=1, warm_up=40, updates=200, chats=480, starts=1, near=30, slow=160, chunks=16
)
DEFAULT = Plan(
    rounds=3, warm_up=100, updates=400, chats=480, starts=3, near=60, slow=480, chunks=48
)
# fmt: on
FULL = replace(
    DEFAULT,
    rounds=5,
    starts=5,
    memory=50_000,
    waiting=1000,
    attacks=True,
    processes=(1, 2, 4, 8),
    flat=100,
)
