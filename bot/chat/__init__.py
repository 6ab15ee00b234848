"""The conversation with the model, which knows nothing of Telegram."""
