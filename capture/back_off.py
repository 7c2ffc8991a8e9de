"""How long a worker waits before it tries the database again."""

STEPS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class BackOff:
    """Longer each time, until something was stored in between.

    Without that a database that is started again several times in a few minutes would be found seconds after
    it is back.
    """

    def __init__(self) -> None:
        self._failures = 0

    def after(self, lasted_s: float, *, committed: bool) -> float:
        """Seconds to wait after a session that lasted so long, and did or did not commit a batch."""
        worked = committed or lasted_s > STEPS_S[-1]
        self._failures = 1 if worked else self._failures + 1
        return STEPS_S[min(self._failures, len(STEPS_S)) - 1]
