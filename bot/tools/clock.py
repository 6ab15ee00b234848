"""The current time, which a model does not know."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from bot.tools.context import ToolError

UNKNOWN_TIME_ZONE = "There is no such time zone. Use an IANA name like Europe/Rome."


async def get_date_time(
    time_zone: Annotated[
        str, Field(description="IANA name of the time zone, for example America/New_York")
    ] = "Europe/Rome",
) -> dict[str, str]:
    """Get the current date and time in a time zone."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(UNKNOWN_TIME_ZONE) from None
    return {"date_time": datetime.now(zone).strftime("%Y-%m-%d %H:%M:%S")}
