"""How often a login may fail."""

import pytest

from api.auth import limits
from api.auth.limits import LoginLimits
from api.errors import TooManyLogins
from api.settings import AuthSettings


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def some_limits(attempts: int = 3, window_s: float = 60) -> tuple[LoginLimits, Clock]:
    clock = Clock()
    return LoginLimits(AuthSettings(attempts=attempts, attempts_window_s=window_s), clock), clock


def test_attempts_up_to_the_limit_are_let_through() -> None:
    tried, _ = some_limits(attempts=3)

    for number in range(3):
        tried.begin("alice", f"192.0.2.{number}")

    with pytest.raises(TooManyLogins):
        tried.begin("alice", "192.0.2.9")


def test_address_that_tries_many_users_is_stopped() -> None:
    tried, _ = some_limits(attempts=3)

    for number in range(3):
        tried.begin(f"user{number}", "192.0.2.1")

    with pytest.raises(TooManyLogins):
        tried.begin("another", "192.0.2.1")


def test_other_users_from_other_addresses_are_not_concerned() -> None:
    tried, _ = some_limits(attempts=1)
    tried.begin("alice", "192.0.2.1")

    assert tried.begin("bob", "192.0.2.2")


def test_waiting_time_is_told_and_suffices() -> None:
    tried, clock = some_limits(attempts=2, window_s=60)
    tried.begin("alice", "192.0.2.1")
    clock.now += 10
    tried.begin("alice", "192.0.2.1")
    clock.now += 5

    with pytest.raises(TooManyLogins) as refusal:
        tried.begin("alice", "192.0.2.1")

    assert refusal.value.retry_after_s == 55
    assert str(refusal.value) == "too many failed logins, try again in 55 seconds"
    clock.now += 55
    assert tried.begin("alice", "192.0.2.1")


def test_refused_attempts_do_not_lengthen_the_wait() -> None:
    tried, clock = some_limits(attempts=1, window_s=60)
    tried.begin("alice", "192.0.2.1")
    clock.now += 59

    with pytest.raises(TooManyLogins):
        tried.begin("alice", "192.0.2.1")

    clock.now += 1
    assert tried.begin("alice", "192.0.2.1")


def used_up(tried: LoginLimits, clock: Clock, address: str = "192.0.2.1") -> float:
    """How long there is to wait once no attempt is left; it is waited for."""
    while True:
        try:
            tried.begin("alice", address)
        except TooManyLogins as refusal:
            clock.now += refusal.retry_after_s
            return refusal.retry_after_s


def test_each_wait_is_twice_the_last_up_to_an_hour() -> None:
    tried, clock = some_limits(attempts=3, window_s=300)

    assert [used_up(tried, clock) for _ in range(6)] == [300, 600, 1200, 2400, 3600, 3600]


def test_waits_are_short_again_after_a_day_without_failures() -> None:
    tried, clock = some_limits(attempts=3, window_s=300)
    for _ in range(3):
        used_up(tried, clock)

    clock.now += limits.FORGOTTEN_S

    assert used_up(tried, clock) == 300


def test_slow_failures_of_people_never_add_up() -> None:
    tried, clock = some_limits(attempts=3, window_s=60)

    for _ in range(50):
        tried.begin("alice", "192.0.2.1")
        clock.now += 31

    assert tried.begin("alice", "192.0.2.1")


def test_guesses_from_elsewhere_lock_nobody_out_of_where_they_have_logged_in() -> None:
    tried, _ = some_limits(attempts=3)
    tried.begin("alice", "192.0.2.1").succeed()
    for number in range(3):
        tried.begin("alice", f"198.51.100.{number}")

    with pytest.raises(TooManyLogins):
        tried.begin("alice", "198.51.100.9")
    for _ in range(3):
        tried.begin("alice", "192.0.2.1")

    with pytest.raises(TooManyLogins):
        tried.begin("alice", "192.0.2.1")


def test_one_who_goes_on_trying_is_told_first_once() -> None:
    tried, clock = some_limits(attempts=1, window_s=60)
    firsts = []
    for _ in range(2):
        tried.begin("alice", "192.0.2.1")
        for user in ("alice", "bob", "carol"):
            with pytest.raises(TooManyLogins) as refusal:
                tried.begin(user, "192.0.2.1")
            firsts.append(refusal.value.is_first)
        clock.now += refusal.value.retry_after_s

    assert firsts == [True, False, False] * 2


def test_forgiven_attempt_leaves_nothing_behind() -> None:
    tried, _ = some_limits(attempts=1)

    for _ in range(5):
        tried.begin("alice", "192.0.2.1").forgive()

    assert len(tried) == 0


def test_attempts_under_way_count_as_failed() -> None:
    tried, _ = some_limits(attempts=1)
    under_way = tried.begin("alice", "192.0.2.1")

    with pytest.raises(TooManyLogins):
        tried.begin("alice", "192.0.2.1")

    under_way.forgive()
    assert tried.begin("alice", "192.0.2.1")


def test_addresses_of_one_ipv6_network_are_one() -> None:
    tried, _ = some_limits(attempts=1)
    tried.begin("alice", "2001:db8:1:2::1")

    with pytest.raises(TooManyLogins):
        tried.begin("bob", "2001:db8:1:2:ffff::9")

    assert tried.begin("carol", "2001:db8:1:3::1")


def test_ipv4_address_mapped_into_ipv6_is_the_same() -> None:
    tried, _ = some_limits(attempts=1)
    tried.begin("alice", "192.0.2.1")

    with pytest.raises(TooManyLogins):
        tried.begin("bob", "::ffff:192.0.2.1")


def test_memory_is_bounded_and_forgets_the_longest_silent_first() -> None:
    tried, _ = some_limits(attempts=1)
    tried.begin("first", "192.0.2.1")

    for number in range(limits.MAX_KEYS):
        tried.begin(f"user{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(tried) == limits.MAX_KEYS
    assert tried.begin("first", "192.0.2.1")
    with pytest.raises(TooManyLogins):
        tried.begin(f"user{limits.MAX_KEYS - 1}", "192.0.2.2")
