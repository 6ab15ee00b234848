"""The made-up credentials of the tests' bot."""

TOKEN = "123456789:AAE-made-up-for-the-tests-0123456789"
KEY = "made-up-gemini-key-0123456789"
