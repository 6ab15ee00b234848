"""A Telegram chat bot that answers with Google Gemini."""

BOT_HEADER = "X-Bot-Name"
NAME = "gemini-telegram-bot"
__version__ = "1.0.0"
