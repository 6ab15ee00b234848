"""An answer on its way to people."""
