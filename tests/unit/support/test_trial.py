"""What the witness takes for a counter that fell."""

from tests.support.trial import fallen

FAILED = 'rhapsode_packets_total{outcome="failed"}'


def test_counter_that_is_less_than_it_was_has_fallen() -> None:
    assert list(
        fallen({FAILED: 2, "rhapsode_rollbacks_total": 1}, {FAILED: 1, "rhapsode_rollbacks_total": 1})
    ) == [f"{FAILED} fell from 2 to 1"]


def test_counter_that_is_not_there_any_more_has_fallen() -> None:
    assert list(fallen({FAILED: 2}, {})) == [f"{FAILED} fell from 2 to nothing"]


def test_counter_that_grew_or_came_and_what_is_no_counter_has_not_fallen() -> None:
    before = {FAILED: 2, "rhapsode_tcp_connections": 3, "process_cpu_seconds_total": 7}

    assert not list(fallen(before, {FAILED: 3, "rhapsode_tcp_connections": 0, "rhapsode_rollbacks_total": 1}))
