"""The conversation with the model, independent of Telegram."""
