"""What a caller of the runtime must know of an update that could not be handled."""


class RetryLater(Exception):
    """Ask for the same update again: nothing was answered, and nothing stored.

    `retry_after` is in seconds.
    """

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
