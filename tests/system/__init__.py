"""Whole systems: processes, hosts, faults, a browser, measurements."""
