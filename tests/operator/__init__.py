"""What the operator sets, runs and reads."""
