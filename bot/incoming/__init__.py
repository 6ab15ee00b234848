"""What people send, and what it asks."""
