"""Markdown as Telegram's messages."""
