"""A Telegram chat bot that answers with Google Gemini."""

NAME = "gemini-telegram-bot"
__version__ = "1.0.0"
