"""The test suite."""

from bot.startup import prepare_process

prepare_process()  # before anything here imports aiogram
