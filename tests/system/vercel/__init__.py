"""Vercel on this machine: its real builder, its real runtime, and what it does to instances."""
