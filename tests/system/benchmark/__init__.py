"""What an update costs, beside a handler written by hand: `python -m tests.system.benchmark`."""
