"""A Telegram chat bot that answers with Google Gemini."""

from bot.startup.garbage_collector import raise_gc_threshold
from bot.startup.lazy_models import install

BOT_HEADER = "X-Bot-Name"
NAME = "gemini-telegram-bot"
__version__ = "1.0.0"

# Before anything of ours can import aiogram
raise_gc_threshold()
install()
