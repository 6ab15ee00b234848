"""The Gemini API's rules for a request for an answer, and its refusals of all others."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from aiohttp import web

JSON = dict[str, Any]

_BODY = frozenset(
    {
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "store",
        "serviceTier",
        "continuationToken",
    }
)
_DATA = frozenset(
    {
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
    }
)
_MARKS = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution"})
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RefusalError(Exception):
    """An error response in the API's own format."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str | None = None,
        details: Sequence[JSON] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers
        self.body: JSON = {
            "error": {
                "code": code,
                "message": message,
                "status": status or _STATUSES.get(code, "UNKNOWN"),
            }
        }
        if details:
            self.body["error"]["details"] = list(details)

    def response(self) -> web.Response:
        """Return the HTTP response."""
        return web.json_response(self.body, status=self.code, headers=self.headers)


def check_body(body: JSON, *, alternate: bool) -> None:
    """Refuse a request that Google would refuse."""
    for name in body.keys() - _BODY:
        raise RefusalError(
            400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        )
    contents = body.get("contents")
    if not contents:
        raise RefusalError(400, "* GenerateContentRequest.contents: contents is not specified\n")
    for number, content in enumerate(contents):
        _check_content(content, f"contents[{number}]")
        if content.get("role") not in {"user", "model"}:
            raise RefusalError(400, "Please use a valid role: user, model.")
    if "systemInstruction" in body:
        _check_content(body["systemInstruction"], "system_instruction")
    _check_order(contents, alternate=alternate)
    _check_calls(contents)
    _check_tools(body)


def _check_content(content: JSON, where: str) -> None:
    if not isinstance(content, dict) or content.keys() - {"role", "parts"}:
        raise RefusalError(400, f"Invalid JSON payload received. Unknown name at '{where}'.")
    if not content.get("parts"):
        raise RefusalError(
            400, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n"
        )
    for number, part in enumerate(content["parts"]):
        _check_part(part, f"{where}.parts[{number}]")


def _check_part(part: JSON, where: str) -> None:
    for name in part.keys() - _DATA - _MARKS:
        raise RefusalError(
            400,
            f"Invalid JSON payload received. Unknown name '{name}' at '{where}': No such field.",
        )
    data = part.keys() & _DATA
    blank = part.get("text") == "" and "thoughtSignature" not in part
    if len(data) != 1 or blank:
        raise RefusalError(
            400,
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one"
            " initialized field\n",
        )
    if "text" in part and not isinstance(part["text"], str):
        raise RefusalError(400, f"Invalid value at '{where}.text' (TYPE_STRING)")
    if "inlineData" in part:
        _check_blob(part["inlineData"], f"{where}.inline_data")
    if "thoughtSignature" in part:
        _check_base64(part["thoughtSignature"], f"{where}.thought_signature")


def _check_blob(blob: JSON, where: str) -> None:
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", blob.get("mimeType") or ""):
        raise RefusalError(400, f"Unable to process input: '{where}.mime_type' is not supported.")
    if not blob.get("data"):
        raise RefusalError(400, f"Unable to process input: '{where}.data' is empty.")
    _check_base64(blob["data"], f"{where}.data")


def _check_base64(value: Any, where: str) -> None:
    try:
        decoded(value)
    except (TypeError, ValueError, AttributeError, binascii.Error):
        raise RefusalError(
            400, f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed"
        ) from None


def _check_order(contents: list[JSON], *, alternate: bool) -> None:
    roles = [content["role"] for content in contents]
    if roles[0] != "user" or roles[-1] != "user":
        raise RefusalError(
            400, "Please ensure that multiturn requests begin and end with a user turn."
        )
    if alternate and any(first == second for first, second in pairwise(roles)):
        raise RefusalError(
            400, "Please ensure that multiturn requests alternate between user and model."
        )


def _check_calls(contents: list[JSON]) -> None:
    for content, following in pairwise([{"parts": []}, *contents]):
        calls = parts_of(content, "functionCall") if content.get("role") == "model" else []
        responses = parts_of(following, "functionResponse")
        if len(calls) != len(responses):
            raise RefusalError(
                400,
                "Please ensure that the number of function response parts is equal to the number"
                " of function call parts of the function call turn.",
            )
        if sorted(map(_key, calls)) != sorted(map(_key, responses)):
            raise RefusalError(
                400, "Please ensure that function responses match the function calls."
            )
        if not all(isinstance(response.get("response"), dict) for response in responses):
            raise RefusalError(400, "Invalid value at 'function_response.response' (Struct)")


def _check_tools(body: JSON) -> None:
    names: set[str] = set()
    for tool in body.get("tools", []):
        for declaration in tool.get("functionDeclarations", []):
            _check_declaration(declaration)
            if declaration["name"] in names:
                raise RefusalError(
                    400, f"Duplicate function declaration found: {declaration['name']}"
                )
            names.add(declaration["name"])
    mode = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode", "AUTO")
    if mode not in {"AUTO", "ANY", "NONE", "VALIDATED"}:
        raise RefusalError(400, f"Invalid value at 'tool_config.mode' (Mode), \"{mode}\"")


def _check_declaration(declaration: JSON) -> None:
    known = {"name", "description", "parameters", "parametersJsonSchema", "response", "behavior"}
    for name in declaration.keys() - known - {"responseJsonSchema"}:
        raise RefusalError(400, f'Invalid JSON payload received. Unknown name "{name}".')
    if not _FUNCTION_NAME.fullmatch(declaration.get("name", "")):
        raise RefusalError(
            400, "Invalid function name. Must start with a letter or an underscore."
        )
    schema = declaration.get("parametersJsonSchema")
    if schema is not None and schema.get("type") != "object":
        raise RefusalError(
            400, f"{declaration['name']}: parameters schema should be of type OBJECT."
        )


def check_signed(contents: list[JSON], is_signed: Callable[[JSON], bool]) -> None:
    """Refuse a current turn whose calls lack the signatures they were issued with."""
    for content in current_turn(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        for part in calls[:1]:
            if "thoughtSignature" not in part and is_signed(part["functionCall"]):
                name = part["functionCall"]["name"]
                raise RefusalError(
                    400,
                    "Function call is missing a thought_signature in functionCall parts. This"
                    " is required for tools to work correctly, and missing thought_signature"
                    f" may lead to degraded model performance. Function call `{name}`.",
                )


def current_turn(contents: list[JSON]) -> list[JSON]:
    """Return the contents from the user's last message on, where signatures are required."""
    own = [
        n
        for n, c in enumerate(contents)
        if c["role"] == "user" and not parts_of(c, "functionResponse")
    ]
    return contents[own[-1] :] if own else contents


def parts_of(content: JSON, kind: str) -> list[JSON]:
    """Return the values of a content's parts of one kind."""
    return [part[kind] for part in content["parts"] if kind in part]


def _key(call: JSON) -> tuple[str, str]:
    return call.get("name", ""), call.get("id") or ""


def identity(call: JSON) -> str:
    """Return a string that distinguishes one function call from another."""
    return json.dumps([call.get("id"), call["name"], call.get("args", {})], sort_keys=True)


def decoded(value: str) -> bytes:
    """Decode either alphabet of base64, padded or not, as proto JSON allows."""
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
