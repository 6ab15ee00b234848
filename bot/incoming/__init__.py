"""Incoming messages, and the questions in them."""
