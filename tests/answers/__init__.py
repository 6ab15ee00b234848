"""Answers on their way to people: previews, pages, buttons."""
