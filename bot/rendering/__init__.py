"""Conversion of a model's Markdown to classic or rich messages, without any Telegram client."""
