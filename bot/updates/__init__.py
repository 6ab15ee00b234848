"""Updates: claimed, so that each is handled once, in order and within the rate limits."""
