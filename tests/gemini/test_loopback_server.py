"""The Gemini API on loopback refuses what Google refuses: else it would prove nothing."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.gemini_server import KEY, GeminiServer
from tests.support.servers import serve

JSON = dict[str, Any]
MODEL = "gemini-3.5-flash-lite"


@pytest.fixture(name="server")
def small_server() -> GeminiServer:
    return GeminiServer(limit=4096)


@pytest.fixture(name="base_url")
def address(server: GeminiServer) -> Iterator[str]:
    with serve(server.application()) as base_url:
        yield base_url


@pytest.fixture(name="http")
async def session(base_url: str) -> AsyncGenerator[aiohttp.ClientSession]:
    headers = {"x-goog-api-key": KEY}
    async with aiohttp.ClientSession(base_url, headers=headers) as http:
        yield http


async def post(
    http: aiohttp.ClientSession, body: Any, *, model: str = MODEL, version: str = "v1"
) -> tuple[int, JSON]:
    path = f"/{version}/models/{model}:streamGenerateContent"
    async with http.post(path, params={"alt": "sse"}, json=body) as response:
        if response.content_type == "application/json":
            return response.status, await response.json()
        return response.status, {"text": await response.text()}


def user(*parts: JSON) -> JSON:
    return {"role": "user", "parts": list(parts)}


def model(*parts: JSON) -> JSON:
    return {"role": "model", "parts": list(parts)}


def call(name: str = "f", **more: Any) -> JSON:
    return {"functionCall": {"name": name, "args": {}} | more}


def result(name: str = "f", **more: Any) -> JSON:
    return {"functionResponse": {"name": name, "response": {}} | more}


TEXT: JSON = {"text": "Hi"}
IMAGE: JSON = {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}


@pytest.mark.parametrize(
    "contents",
    [
        [user(TEXT)],
        [user(TEXT, IMAGE)],
        [user(TEXT), model(TEXT), user(TEXT)],
        [user(TEXT), model(call()), user(result())],
        [
            user(TEXT),
            model(TEXT, call(id="1"), call(id="2")),
            user(result(id="2"), result(id="1")),
        ],
    ],
)
async def test_sound_contents(http: aiohttp.ClientSession, contents: list[JSON]) -> None:
    """What Google accepts is echoed as a stream of events."""
    status, body = await post(http, {"contents": contents})
    assert status == 200
    assert body["text"].startswith('data: {"candidates": ')
    assert body["text"].endswith("}\r\n\r\n")
    assert "You said: Hi" in body["text"]


@pytest.mark.parametrize(
    "contents",
    [
        [],
        [user()],
        [user({})],
        [user({"text": ""})],
        [user({"text": 5})],
        [user({"text": "Hi", "inlineData": IMAGE["inlineData"]})],
        [user({"words": "Hi"})],
        [user(TEXT) | {"name": "x"}],
        [{"parts": [TEXT]}],
        [user(TEXT) | {"role": "assistant"}],
        [model(TEXT)],
        [model(TEXT), user(TEXT)],
        [user(TEXT), model(TEXT)],
        [user(TEXT), user(TEXT)],
        [user({"inlineData": {"mimeType": "image/png", "data": "not base64!"}})],
        [user({"inlineData": {"mimeType": "image/png", "data": ""}})],
        [user({"inlineData": {"data": "iVBORw=="}})],
        [user(result())],
        [user(TEXT), model(call()), user(TEXT)],
        [user(TEXT), model(call()), user(result("g"))],
        [user(TEXT), model(call()), user(result(), result())],
        [user(TEXT), model(call(id="1")), user(result(id="2"))],
        [user(TEXT), model(call(id="1")), user(result())],
        [user(TEXT), model(call()), user(result(response="x"))],
        [user(TEXT), model(TEXT | {"thoughtSignature": "!"}), user(TEXT)],
        [user(TEXT), model(TEXT | {"thoughtSignature": "AAAA"}), user(TEXT)],
    ],
)
async def test_unsound_contents(http: aiohttp.ClientSession, contents: list[JSON]) -> None:
    """What Google refuses is an invalid argument."""
    status, body = await post(http, {"contents": contents})
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "more",
    [
        {"extra": 1},
        {"systemInstruction": {"parts": [{"text": ""}]}},
        {"tools": [{"functionDeclarations": [{"name": "1 f"}]}]},
        {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "arguments": {}}]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {}}]}]},
        {"toolConfig": {"functionCallingConfig": {"mode": "NEVER"}}},
    ],
)
async def test_unsound_bodies(http: aiohttp.ClientSession, more: JSON) -> None:
    """So are fields, instructions and tools that Google would not take."""
    status, _ = await post(http, {"contents": [user(TEXT)]} | more)
    assert status == 400


@pytest.mark.parametrize("body", [[], "text", {"contents": [user({"text": "x" * 5000})]}])
async def test_unreadable_bodies(http: aiohttp.ClientSession, body: Any) -> None:
    """No object, or too many bytes, is refused as well."""
    assert (await post(http, body))[0] == 400


async def test_signature_of_the_current_turn(
    server: GeminiServer, http: aiohttp.ClientSession
) -> None:
    """A call that was signed must come back signed, until the user speaks again."""
    server.call("f", {}, id="a")
    await post(http, {"contents": [user(TEXT)]})
    history = [user(TEXT), model(call(id="a")), user(result(id="a"))]
    status, body = await post(http, {"contents": history})
    assert status == 400
    assert "thought_signature" in body["error"]["message"]
    status, _ = await post(http, {"contents": [*history, model(TEXT), user(TEXT)]})
    assert status == 200


async def test_signature_in_the_other_alphabet(
    server: GeminiServer, http: aiohttp.ClientSession
) -> None:
    """A signature is its bytes: either alphabet of base64 spells them."""
    signature = server.sign("??>>~~").replace("+", "-").replace("/", "_").rstrip("=")
    history = [user(TEXT), model(TEXT | {"thoughtSignature": signature}), user(TEXT)]
    assert (await post(http, {"contents": history}))[0] == 200


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("gemini-0", "v1", 404),
        (MODEL, "v2", 404),
        ("gemini-flash-latest", "v1", 404),
        ("gemini-flash-latest", "v1beta", 200),
    ],
)
async def test_models(http: aiohttp.ClientSession, name: str, version: str, status: int) -> None:
    """A model is known to the versions that serve it, for an answer and for a description."""
    body = {"contents": [user(TEXT)]}
    assert (await post(http, body, model=name, version=version))[0] == status
    async with http.get(f"/{version}/models/{name}") as response:
        assert response.status == status
        described = await response.json()
    assert described.get("name", f"models/{name}") == f"models/{name}"


async def test_list_of_models(http: aiohttp.ClientSession) -> None:
    """All models are listed by their full names."""
    async with http.get("/v1beta/models") as response:
        names = [each["name"] for each in (await response.json())["models"]]
    assert f"models/{MODEL}" in names


@pytest.mark.parametrize(("key", "status"), [("", 403), ("AIzaWrong", 400)])
async def test_keys(base_url: str, key: str, status: int) -> None:
    """No key is another error than a wrong one, which is told by its reason."""
    async with aiohttp.ClientSession(base_url, headers={"x-goog-api-key": key}) as http:
        got, body = await post(http, {"contents": [user(TEXT)]})
    assert got == status
    reasons = [detail["reason"] for detail in body["error"].get("details", [])]
    assert reasons == (["API_KEY_INVALID"] if key else [])


async def test_alternation_is_an_option() -> None:
    """Two turns of one role in a row may be allowed."""
    lenient = GeminiServer(alternate=False)
    with serve(lenient.application()) as base_url:
        async with aiohttp.ClientSession(base_url, headers={"x-goog-api-key": KEY}) as http:
            status, _ = await post(http, {"contents": [user(TEXT), user(TEXT)]})
    assert status == 200


async def test_requests_are_recorded(server: GeminiServer, http: aiohttp.ClientSession) -> None:
    """What was asked can be read afterwards, refused requests as well."""
    await post(http, {"contents": []})
    (request,) = server.requests
    assert (request.method, request.model, request.api_version) == ("POST", MODEL, "v1")
    assert request.headers["x-goog-api-key"] == KEY
    assert request.body == {"contents": []}
