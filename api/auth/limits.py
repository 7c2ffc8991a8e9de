"""How often a login may fail, by user and by address, within a window. In memory, and bounded.

Knows nothing of HTTP or of passwords.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from api.errors import TooManyLogins
from api.settings import AuthSettings

MAX_KEYS = 20_000
"""Users and addresses remembered at once; at ten attempts of some 32 bytes each it is 10 MB at most. The one
silent for longest is forgotten first."""


class LoginLimits:
    """Failed logins of the recent past."""

    def __init__(self, settings: AuthSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """How many users and addresses are remembered."""
        return len(self._failures)

    def begin(self, username: str, address: str) -> "Attempt":
        """Count an attempt as failed until it says otherwise, so that many at once cannot slip through.

        TooManyLogins, uncounted, when the user or the address has used up its attempts.
        """
        now = self._clock()
        keys = (f"user {username[:100]}", f"address {_neighbourhood(address)}")
        wait_s = max(self._wait_s(key, now) for key in keys)
        if wait_s > 0:
            raise TooManyLogins(wait_s)
        for key in keys:
            self._failures.setdefault(key, deque()).append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)
        return Attempt(self, keys, now)

    def forgive(self, keys: tuple[str, ...], started: float) -> None:
        """Take back what `begin` counted."""
        for key in keys:
            failures = self._failures.get(key)
            if failures is not None and started in failures:
                failures.remove(started)
                if not failures:
                    del self._failures[key]

    def _wait_s(self, key: str, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None:
            return 0
        window_s = self._settings.attempts_window_s
        while failures and failures[0] <= now - window_s:
            failures.popleft()
        if not failures:
            del self._failures[key]
        if len(failures) < self._settings.attempts:
            return 0
        return failures[-self._settings.attempts] + window_s - now


class Attempt:
    """One login under way."""

    def __init__(self, limits: LoginLimits, keys: tuple[str, ...], started: float) -> None:
        self._limits = limits
        self._keys = keys
        self._started = started

    def forgive(self) -> None:
        """It did not fail, or failed for a reason that is not the caller's."""
        self._limits.forgive(self._keys, self._started)


def _neighbourhood(address: str) -> str:
    """An IPv4 address, or the /64 that one IPv6 host can choose its addresses from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed), 64), strict=False).network_address)
    return str(parsed)
