"""The parameters of a Bot API call: typed by each method's table, and refused as in Telegram."""

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

Json = dict[str, Any]

# Telegram promises identifiers of at most 52 significant bits.
ID_LIMIT: Final = 2**52


class ApiError(Exception):
    """A response with "ok": false; `parameters` are Telegram's ResponseParameters."""

    def __init__(self, code: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad_request(reason: str) -> ApiError:
    """Make a 400 error whose description is "Bad Request: " and the reason."""
    return ApiError(400, f"Bad Request: {reason}")


class Kind(Enum):
    """The type of a parameter, whether it came as JSON or as a form's text."""

    STRING = "a String"
    INTEGER = "an Integer"
    BOOLEAN = "a Boolean"
    ARRAY = "an Array"
    OBJECT = "an Object"
    CHAT = "a chat's Integer identifier or @username"


def read_parameters(raw: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Json:
    """Convert known parameters and keep the rest; ApiError for a value of the wrong type."""
    return {
        name: _READERS[kinds[name]](name, value) if name in kinds else value
        for name, value in raw.items()
    }


def wide_ids(value: Any, name: str = "") -> Iterator[str]:
    """Yield the names of identifiers, at any depth, that need more than 52 bits."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from wide_ids(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from wide_ids(item, name)
    elif isinstance(value, int) and name.endswith("id") and abs(value) >= ID_LIMIT:
        yield name


def _mismatch(name: str, kind: Kind) -> ApiError:
    return bad_request(f'parameter "{name}" must be {kind.value}')


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _mismatch(name, Kind.STRING)
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _mismatch(name, Kind.INTEGER)
    try:
        return int(value)
    except ValueError:
        raise _mismatch(name, Kind.INTEGER) from None


def _boolean(name: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in {"true", "false", "1", "0", "yes", "no"}:
        raise _mismatch(name, Kind.BOOLEAN)
    return text in {"true", "1", "yes"}


def _nested(name: str, value: Any, kind: Kind, shape: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None
    if not isinstance(value, shape):
        raise _mismatch(name, kind)
    return value


def _array(name: str, value: Any) -> list[Any]:
    array: list[Any] = _nested(name, value, Kind.ARRAY, list)
    return array


def _object(name: str, value: Any) -> Json:
    nested: Json = _nested(name, value, Kind.OBJECT, dict)
    return nested


def _chat(name: str, value: Any) -> int | str:
    if isinstance(value, str) and value.startswith("@"):
        return value
    return _integer(name, value)


_READERS: Final[Mapping[Kind, Callable[[str, Any], Any]]] = {
    Kind.STRING: _string,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.ARRAY: _array,
    Kind.OBJECT: _object,
    Kind.CHAT: _chat,
}
