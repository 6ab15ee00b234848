"""The middlewares that every update passes on its way to a handler."""
