"""The declarations of functions for the model, and the calls to them."""

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bot.logs.errors import log_error
from bot.tools.context import ToolContext, ToolError

logger = logging.getLogger(__name__)

CALL_TIMEOUT = 10.0  # seconds
LONGEST_ERROR = 1000  # characters of an error, which may quote the model's own words


@dataclass(frozen=True)
class Tool:
    """A function for the model, and the setting that it requires, if any."""

    function: Callable[..., Awaitable[dict[str, Any]]]
    requires: str | None = None

    @property
    def name(self) -> str:
        """Return the name by which the model calls the function."""
        return self.function.__name__

    @cached_property
    def declaration(self) -> dict[str, Any]:
        """Return the function's declaration as the Gemini API expects it."""
        return {
            "name": self.name,
            "description": inspect.getdoc(self.function) or "",
            "parametersJsonSchema": _without_titles(self._arguments.model_json_schema()),
        }

    async def call(self, context: ToolContext, args: Mapping[str, Any]) -> dict[str, Any]:
        """Check the arguments and call the function; raise ToolError and the function's errors."""
        values = self.values(args)
        first = (context,) if self._takes_context else ()
        return await self.function(*first, **values)

    def values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return checked arguments, with defaults for missing ones; raise ToolError."""
        try:
            checked = self._arguments.model_validate(dict(args))
        except ValidationError as error:
            raise ToolError(_complaint(error)) from None
        return {name: getattr(checked, name) for name in self._arguments.model_fields}

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def _takes_context(self) -> bool:
        first = next(iter(inspect.signature(self.function).parameters), "")
        return self._hints.get(first) is ToolContext

    @cached_property
    def _arguments(self) -> type[BaseModel]:
        parameters = list(inspect.signature(self.function).parameters.values())
        fields: dict[str, Any] = {
            parameter.name: (
                self._hints[parameter.name],
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for parameter in parameters[self._takes_context :]
        }
        config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
        return create_model(self.name, __config__=config, **fields)


class Toolbox:
    """The tools that the model may use in this runtime."""

    def __init__(
        self, tools: Iterable[Tool], context: ToolContext, timeout: float = CALL_TIMEOUT
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._context = context
        self._timeout = timeout

    @cached_property
    def declarations(self) -> list[dict[str, Any]]:
        """Return the tools' declarations, in the order of the tools."""
        return [tool.declaration for tool in self._tools.values()]

    def identity(self, name: str, args: Mapping[str, Any] | None) -> str:
        """Return a key that is the same for equivalent calls."""
        tool = self._tools.get(name)
        asked: Any = args or {}
        if tool:
            with suppress(ToolError, TypeError, ValueError):  # the call itself reports the error
                asked = tool.values(asked)
        return json.dumps([name, asked], sort_keys=True)

    async def call(self, name: str, args: Mapping[str, Any] | None) -> dict[str, Any]:
        """Call a tool and return its result; a failure is `{"success": False, "error": text}`."""
        tool = self._tools.get(name)
        if tool is None:
            return _failure(f"There is no function {name}.")
        try:
            async with asyncio.timeout(self._timeout):
                return await tool.call(self._context, args or {})
        except ToolError as error:
            return _failure(str(error))
        except TimeoutError:
            logger.warning("Tool %s was stopped after %g seconds", name, self._timeout)
            return _failure("The function took too long.")
        except Exception as error:  # noqa: BLE001 - a broken tool must not break the answer
            log_error(logger, "Tool %s failed", name, error=error)
            return _failure("The function failed.")


def _failure(text: str) -> dict[str, Any]:
    well_formed = text[:LONGEST_ERROR].encode(errors="replace").decode()
    return {"success": False, "error": well_formed}


def _complaint(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "Wrong arguments. " + "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {_reason(detail['type'], detail['msg'])}"
        for detail in details
    )


def _reason(kind: str, message: str) -> str:
    return "no such argument" if kind == "extra_forbidden" else message


def _without_titles(schema: Any, *, named: bool = False) -> Any:
    """Drop pydantic's titles; in `properties`, whose keys are names, `title` is a parameter."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value, named=key == "properties" and not named)
        for key, value in schema.items()
        if named or key != "title"
    }
