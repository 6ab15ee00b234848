"""`python -m bot setup`: tell Telegram where the webhook is, and which commands there are."""

from bot.dispatcher import ALLOWED_UPDATES
from bot.menu import set_menu
from bot.settings import WHERE_TO_GET_IT, Settings, SettingsError
from bot.telegram import open_bot

MAX_CONNECTIONS = 100  # the most that Telegram's cloud opens to one webhook


async def set_up(settings: Settings) -> None:
    """Register the webhook and the menu, and say so; raise SettingsError without WEBHOOK_URL."""
    if settings.webhook_url is None:
        raise SettingsError([f"WEBHOOK_URL is missing: {WHERE_TO_GET_IT['WEBHOOK_URL']}."])
    async with open_bot(settings) as bot:
        me = await bot.me()
        await bot.set_webhook(
            settings.webhook_url,
            secret_token=settings.webhook_secret,
            allowed_updates=ALLOWED_UPDATES,
            max_connections=MAX_CONNECTIONS,
        )
        await set_menu(bot)
    check = "on" if settings.webhook_secret else "OFF (ENABLE_SECURE_WEBHOOK_TOKEN)"
    print(f"@{me.username}: webhook {settings.webhook_url}, secret check {check}")
