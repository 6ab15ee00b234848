"""One update's way: once, in order, within its limits."""
