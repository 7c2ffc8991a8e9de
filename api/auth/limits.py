"""How often a login may fail, by user and by address: then it has to wait, and longer each time.

Knows nothing of HTTP or of passwords. In memory, and bounded.
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
LONGEST_S = 3600.0
"""The longest wait, unless the window is longer."""
FORGOTTEN_S = 86_400.0
"""After so long without a failure the next wait is a short one again."""


class _Failures:
    """Of one user or address."""

    def __init__(self) -> None:
        self.times: deque[float] = deque()
        """Since the last wait, or within the window."""
        self.waits = 0
        """How many there were in a row."""
        self.free_s = 0.0
        """The end of the last one."""
        self.is_told = False
        """Somebody has been told to wait since the last attempt."""


class LoginLimits:
    """Failed logins of the recent past."""

    def __init__(self, settings: AuthSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._homes: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Users, and the addresses from which they have logged in."""

    def __len__(self) -> int:
        """How many users and addresses are remembered for a failure."""
        return len(self._failures)

    def begin(self, username: str, address: str) -> "Attempt":
        """Count an attempt as failed until it says otherwise, so that many at once cannot slip through.

        TooManyLogins, uncounted, when the user or the address has used up its attempts. Whoever guesses from
        elsewhere locks nobody out of where they have logged in before.
        """
        now = self._clock()
        place = _neighbourhood(address)
        home = username[:100], place
        user = f"user {home}" if home in self._homes else f"user {home[0]}"
        keys = (user, f"address {place}")
        self._refuse_who_has_to_wait(keys, now)
        for key in keys:
            failures = self._failures.setdefault(key, _Failures())
            failures.times.append(now)
            failures.is_told = False
            self._failures.move_to_end(key)
        while len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)
        return Attempt(self, keys, now, home)

    def forgive(self, keys: tuple[str, ...], started: float) -> None:
        """Take back what `begin` counted."""
        for key in keys:
            failures = self._failures.get(key)
            if failures is not None and started in failures.times:
                failures.times.remove(started)
                if not failures.times and not failures.waits:
                    del self._failures[key]

    def remember(self, home: tuple[str, str]) -> None:
        """A user has logged in from there."""
        self._homes[home] = None
        self._homes.move_to_end(home)
        while len(self._homes) > MAX_KEYS:
            self._homes.popitem(last=False)

    def _refuse_who_has_to_wait(self, keys: tuple[str, ...], now: float) -> None:
        waits = {key: wait_s for key in keys if (wait_s := self._wait_s(key, now)) > 0}
        if waits:
            locked = [self._failures[key] for key in waits]
            is_first = not all(failures.is_told for failures in locked)
            for failures in locked:
                failures.is_told = True
            raise TooManyLogins(max(waits.values()), is_first=is_first)

    def _wait_s(self, key: str, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None:
            return 0
        times, window_s = failures.times, self._settings.attempts_window_s
        if len(times) >= self._settings.attempts:
            # No larger than a number can be.
            doubled_s = window_s * 2.0 ** min(failures.waits, 30)
            free_s = times[-1] + min(doubled_s, max(LONGEST_S, window_s))
            if now < free_s:
                return free_s - now
            failures.free_s = free_s
            failures.waits += 1
            times.clear()
        while times and times[0] <= now - window_s:
            times.popleft()
        if not times and (not failures.waits or failures.free_s <= now - FORGOTTEN_S):
            del self._failures[key]
        return 0


class Attempt:
    """One login under way."""

    def __init__(
        self, limits: LoginLimits, keys: tuple[str, ...], started: float, home: tuple[str, str]
    ) -> None:
        self._limits = limits
        self._keys = keys
        self._started = started
        self._home = home

    def forgive(self) -> None:
        """It failed for a reason that is not the caller's."""
        self._limits.forgive(self._keys, self._started)

    def succeed(self) -> None:
        """It was the right password."""
        self.forgive()
        self._limits.remember(self._home)


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
