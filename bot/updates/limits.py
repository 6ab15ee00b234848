"""The rate limits for questions."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.settings import Settings
from bot.updates.claims import Claim
from db.senders import Limits, rate_limit_wait
from db.updates import count

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0  # seconds


async def count_question(
    session: AsyncSession,
    settings: Settings,
    claim: Claim,
    chat_id: int,
    user_id: int | None,
) -> float:
    """Count the update as a question of chat and user; return the seconds to wait, 0 if none.

    Administrators never wait and are not counted.
    """
    if user_id in settings.admin_user_ids:
        return 0.0
    if not (limits := limits_of(settings)):
        claim.counted = True
        return 0.0
    await count(session, claim.key)
    update_id = claim.key.update_id
    wait = claim.due_in(await rate_limit_wait(session, update_id, chat_id, user_id, limits))
    claim.counted = not wait
    return wait


def limits_of(settings: Settings) -> Limits:
    """Return the limits for a chat or user: windows in seconds and numbers of questions."""
    limits = {
        MINUTE: settings.rate_limit_per_minute,
        HOUR: settings.rate_limit_per_hour,
        DAY: settings.rate_limit_per_day,
    }
    return tuple((window, limit) for window, limit in limits.items() if limit)
