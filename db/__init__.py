"""The database: settings, engine, models, statements, migrations; independent of the bot."""
