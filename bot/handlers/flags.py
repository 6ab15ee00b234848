"""The flags by which handlers tell the middlewares what kind of update they take."""

CONCURRENT = {"concurrent": True}  # does not wait for its chat: a stop must not wait for an answer
QUESTION = {"question": True}  # counts towards the rate limits
# By no user: history, permission and ban follow a group, whoever appears to be the sender
SERVICE = {"service": True}
