"""The test suite."""

import pytest

from bot.startup import prepare_process

prepare_process()  # before anything here imports aiogram
pytest.register_assert_rewrite("tests.support")
