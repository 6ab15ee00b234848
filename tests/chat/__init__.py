"""Conversations with the model, as users see them."""
