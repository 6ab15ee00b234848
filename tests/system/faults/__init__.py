"""A campaign of faults against two real server processes: `python -m tests.system.faults`."""
