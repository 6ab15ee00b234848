"""Faults caused on purpose: the page's switches, and how often each takes effect."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.sandbox.faults import Drop, Fault, Faults, Flood, ServerError, Slow
from bot.sandbox.parameters import Json, bad_request

OFF: Final = "off"
TWICE: Final = "twice"
FAULTS: Final[Mapping[str, Fault]] = {
    "flood": Flood(3),
    "error": ServerError(),
    "slow": Slow(3),
    "cut": Drop(before=False),
}
TELEGRAM: Final = (OFF, *FAULTS, TWICE)
GEMINI: Final = (OFF, "quota", "overload", "error", "slow", "cut", "silent")
# The methods that a bot needs to start
SPARED: Final = frozenset(
    {"getMe", "getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo"}
    | {
        f"{deed}My{what}"
        for deed in ("set", "get", "delete")
        for what in ("Commands", "Name", "Description", "ShortDescription")
    }
)


class Switch:
    """One kind of fault, active a number of times or until it is switched off."""

    def __init__(self, choices: tuple[str, ...], changed: Callable[[], None]) -> None:
        self.choices = choices
        self.state = OFF
        self._left: int | None = None
        self._changed = changed

    def set(self, state: str, times: int | None) -> None:
        """Set the state from now on, and how many times it applies."""
        self.state, self._left = state, times

    def take(self) -> str:
        """Return the current state, and count its use."""
        state = self.state
        if state != OFF and self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.state = OFF
                self._changed()
        return state


class Switches:
    """The switches of the page: Telegram's faults, Gemini's, and the privacy mode of groups."""

    def __init__(self, faults: Faults, changed: Callable[[Json], None], *, builtin: bool) -> None:
        self._faults = faults
        self._builtin = builtin
        self._changed = changed
        self.telegram = Switch(TELEGRAM, self._publish)
        self.gemini = Switch(GEMINI, self._publish)
        self.times: int | None = None
        self.privacy = True

    def shown(self) -> Json:
        """Return all switches as the page shows them."""
        states = {"telegram": self.telegram.state, "gemini": self.gemini.state}
        return {**states, "times": self.times, "privacy": self.privacy}

    def set(self, wanted: Json) -> None:
        """Set some of the switches; ApiError for an unknown switch or value."""
        _check(wanted, builtin=self._builtin)
        self.times = wanted.get("times", self.times)
        self.privacy = wanted.get("privacy", self.privacy)
        if wanted.keys() & {"telegram", "times"}:
            self.telegram.set(wanted.get("telegram", self.telegram.state), self.times)
            self._strike(self.telegram.state)
        if wanted.keys() & {"gemini", "times"}:
            self.gemini.set(wanted.get("gemini", self.gemini.state), self.times)
        self._publish()

    def copies(self) -> int:
        """Return how many copies of the next update to deliver."""
        return 2 if self.telegram.state == TWICE and self.telegram.take() else 1

    def called(self) -> None:
        """Switch Telegram's faults off once the last of them has occurred."""
        if self.telegram.state in FAULTS and not len(self._faults):
            self.telegram.set(OFF, None)
            self._publish()

    def _strike(self, state: str) -> None:
        self._faults.clear()
        if fault := FAULTS.get(state):
            self._faults.add(fault, times=self.times, spared=SPARED)

    def _publish(self) -> None:
        self._changed({"type": "switches", "switches": self.shown()})


def _check(wanted: Json, *, builtin: bool) -> None:
    choices: Mapping[str, tuple[Any, ...]] = {
        "telegram": TELEGRAM,
        "gemini": GEMINI,
        "times": (1, None),
        "privacy": (True, False),
    }
    for name, value in wanted.items():
        # In Python, True equals 1
        if not any(value == one and type(value) is type(one) for one in choices.get(name, ())):
            raise bad_request(f"there is no such switch: {name}")
    if wanted.get("gemini", OFF) != OFF and not builtin:
        raise bad_request("the real Gemini answers, and does not fail on demand")
