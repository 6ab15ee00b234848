"""The log, without secrets and without what people write."""
