"""Loopback servers to try the bot against; nothing in production imports this package."""
