"""What people can ask for: a router for each kind, all of them thin."""
