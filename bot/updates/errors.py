"""The error for an update that could not be handled."""


class RetryLater(Exception):
    """A request to send the same update again: nothing was answered or stored.

    `retry_after` is in seconds.
    """

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
