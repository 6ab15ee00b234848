"""The sandbox: its Telegram, its model, its page over HTTP."""
