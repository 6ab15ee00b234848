"""Users who press the buttons below messages."""

import httpx2

from tests.support.credentials import TOKEN
from tests.support.door import Door, Json


def press(door: Door, message: Json, label: str, user_id: int = 42) -> Json:
    """Return the update of a pressed button."""
    return door.telegram.press(message, door.telegram.person(user_id), label)


async def answers_to_presses(door: Door) -> list[str | None]:
    """Return what people read over the chat after they pressed."""
    calls = door.telegram.calls_of("answerCallbackQuery")
    return [call.parameters.get("text") for call in calls]


async def acknowledge(door: Door, update: Json) -> None:
    """End a query's waiting sign in the bot's place."""
    url = f"{door.settings.telegram_api_base_url}/bot{TOKEN}/answerCallbackQuery"
    async with httpx2.AsyncClient() as client:
        await client.post(url, json={"callback_query_id": update["callback_query"]["id"]})
