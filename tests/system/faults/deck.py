"""A deck of cards: every kind comes up, in an order that nobody foresees."""

from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Deck(Generic[T]):
    """Draw at random, each card once before any comes a second time."""

    def __init__(self, random: Random, cards: Sequence[T]) -> None:
        self._random = random
        self._cards = cards
        self._left: list[T] = []

    def draw(self) -> T:
        """Take the next card."""
        if not self._left:
            self._left = self._random.sample(self._cards, len(self._cards))
        return self._left.pop()
