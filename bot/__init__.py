"""A Telegram chat bot that answers with Google Gemini."""

__version__ = "1.0.0"
