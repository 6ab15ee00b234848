"""What people send, and in whose name."""
