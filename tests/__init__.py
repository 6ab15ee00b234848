"""The test suite."""

import bot  # noqa: F401 - before anything here imports aiogram, see bot.startup.lazy_models
