"""What goes wrong with the model on demand."""

from typing import Final

KINDS: Final = ("off", "quota", "overload", "error", "slow", "cut", "silent")


class Faults:
    """Which fault the next requests for an answer meet: `times` of them, None for all."""

    def __init__(self) -> None:
        self.kind = KINDS[0]
        self.times: int | None = None

    def set(self, kind: str, times: int | None = None) -> None:
        """Choose a fault, "off" for none. Raises ValueError for one that is not of KINDS."""
        if kind not in KINDS:
            raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
        self.kind, self.times = kind, times

    def take(self) -> str:
        """Return the fault of this request, and count it."""
        kind = self.kind
        if self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.set("off")
        return kind
