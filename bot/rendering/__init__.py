"""Turns a model's Markdown into what Telegram shows, classic or rich; knows no Telegram client."""
