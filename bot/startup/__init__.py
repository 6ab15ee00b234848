"""What a process sets up before anything else runs."""
