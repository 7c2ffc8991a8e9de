"""The wait before the next session."""

from capture.back_off import STEPS_S, BackOff


def test_waits_grow_while_nothing_works() -> None:
    back_off = BackOff()

    waits = [back_off.after(0.01, committed=False) for _ in range(len(STEPS_S) + 2)]

    assert waits == [*STEPS_S, STEPS_S[-1], STEPS_S[-1]]


def test_short_session_that_stored_something_begins_the_waits_anew() -> None:
    back_off = BackOff()
    for _ in STEPS_S:
        back_off.after(0.01, committed=False)

    after_work = back_off.after(1.0, committed=True)

    assert after_work == STEPS_S[0]
    assert back_off.after(0.01, committed=False) == STEPS_S[1]


def test_long_session_without_packets_begins_the_waits_anew() -> None:
    back_off = BackOff()
    for _ in STEPS_S:
        back_off.after(0.01, committed=False)

    assert back_off.after(3600.0, committed=False) == STEPS_S[0]
