"""Handlers for everything users can ask for: one thin router for each kind of request."""
