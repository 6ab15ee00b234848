"""How often people may ask."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.settings import Settings
from bot.updates.claims import Delivery
from db.senders import Limits, wait_behind
from db.updates import count

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0  # seconds


async def count_question(
    session: AsyncSession,
    settings: Settings,
    delivery: Delivery,
    chat_id: int,
    person_id: int | None,
) -> float:
    """Count the update as a question of chat and person; return the seconds to wait if it is none.

    Administrators never wait and are not counted.
    """
    if person_id in settings.admin_user_ids:
        return 0.0
    if not (limits := limits_of(settings)):
        delivery.counted = True
        return 0.0
    await count(session, delivery.claim)
    update_id = delivery.claim.update_id
    wait = delivery.due_in(await wait_behind(session, update_id, chat_id, person_id, limits))
    delivery.counted = not wait
    return wait


def limits_of(settings: Settings) -> Limits:
    """Return how many questions of a chat or person are allowed, by the seconds in which."""
    limits = {
        MINUTE: settings.rate_limit_per_minute,
        HOUR: settings.rate_limit_per_hour,
        DAY: settings.rate_limit_per_day,
    }
    return tuple((window, limit) for window, limit in limits.items() if limit)
