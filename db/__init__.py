"""The bot's database: settings, engine, models, queries, migrations. Knows nothing of the bot."""
