"""What is remembered, for how long, and what goes first."""

import math
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.scripts.cache import LARGEST_SHARE, OVERHEAD_BYTES, Cache, Kept

MIB = 1024 * 1024


class Clock:
    """Seconds, put forward by the test."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def of_room_for(entries: int, clock: Clock | None = None) -> Cache:
    """With keys of one byte, and numbers."""
    return Cache(entries * (OVERHEAD_BYTES + 1), clock or Clock())


@pytest.mark.parametrize("value", [b"text", b"", b"\0\xff", 1, 1.5, -0.0, True, False, math.inf])
def test_value_comes_back_as_it_was(value: Kept) -> None:
    cache = Cache(MIB)

    assert cache.set(b"key", value) is None

    assert cache.get(b"key") == value
    assert type(cache.get(b"key")) is type(value)


def test_what_was_never_set_or_was_deleted_is_none() -> None:
    cache = Cache(MIB)
    cache.set(b"a", 1)

    cache.delete(b"a")
    cache.delete(b"a")

    assert (cache.get(b"a"), cache.get(b"b"), cache.misses, len(cache), cache.bytes) == (None, None, 2, 0, 0)


def test_value_lives_as_long_as_it_was_given() -> None:
    clock = Clock()
    cache = Cache(MIB, clock)
    cache.set(b"a", 1, ttl_s=10)
    cache.set(b"b", 2)

    clock.now_s += 9.9
    before = cache.get(b"a")
    clock.now_s += 0.1

    assert (before, cache.get(b"a"), cache.get(b"b")) == (1, None, 2)
    assert (cache.hits, cache.misses, cache.expired, cache.evicted) == (2, 1, 1, 0)


def test_reading_does_not_lengthen_a_life_and_setting_begins_a_new_one() -> None:
    clock = Clock()
    cache = Cache(MIB, clock)
    cache.set(b"a", 1, ttl_s=10)
    cache.set(b"b", 1, ttl_s=10)

    clock.now_s += 9
    cache.get(b"a")
    cache.set(b"b", 2, ttl_s=10)
    clock.now_s += 2

    assert (cache.get(b"a"), cache.get(b"b")) == (None, 2)


@pytest.mark.parametrize("ttl_s", [0, -1, math.nan, -math.inf])
def test_life_that_is_no_time_is_refused(ttl_s: float) -> None:
    cache = Cache(MIB)
    cache.set(b"a", 1)

    assert "above 0" in (cache.set(b"a", 2, ttl_s) or "")

    assert cache.get(b"a") is None


def test_life_without_end_is_one() -> None:
    cache = Cache(MIB)

    cache.set(b"a", 1, ttl_s=math.inf)

    assert cache.get(b"a") == 1


def test_least_recently_used_goes_first() -> None:
    cache = of_room_for(10)
    for key in b"0123456789":
        cache.set(bytes([key]), key)

    cache.get(b"0")
    cache.set(b"1", 1)
    cache.set(b"x", 1)
    cache.set(b"y", 1)

    gone = [key for key in b"0123456789xy" if cache.get(bytes([key])) is None]
    assert (gone, cache.evicted, len(cache)) == (list(b"23"), 2, 10)


def test_expired_one_makes_room_before_one_that_lives() -> None:
    clock = Clock()
    cache = of_room_for(10, clock)
    for key in b"0123456789":
        cache.set(bytes([key]), key, ttl_s=10 if key == ord("0") else 100)

    clock.now_s += 20
    cache.set(b"x", 1, ttl_s=10)

    assert (cache.expired, cache.evicted, len(cache)) == (1, 0, 10)


def test_value_that_would_drive_out_the_others_is_refused_and_the_old_one_forgotten() -> None:
    cache = Cache(MIB)
    cache.set(b"a", 1)

    words = cache.set(b"a", b"x" * (MIB // LARGEST_SHARE))

    assert "too many" in (words or "")
    assert (cache.get(b"a"), cache.bytes) == (None, 0)


def test_bytes_are_those_that_python_takes() -> None:
    cache = Cache(64 * MIB)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(20_000):
            cache.set(b"key %d" % number, b"value %d" % number, ttl_s=60)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert 0.6 * cache.bytes < taken < cache.bytes


keys = st.sampled_from([b"a", b"b", b"c", b"d", b"e" * 50])
values = st.integers(0, 9) | st.booleans() | st.binary(max_size=300)
steps = st.one_of(
    st.tuples(st.just("set"), keys, values, st.none() | st.floats(0.5, 20)),
    st.tuples(st.just("get"), keys, st.none(), st.none()),
    st.tuples(st.just("delete"), keys, st.none(), st.none()),
    st.tuples(st.just("wait"), st.none(), st.none(), st.floats(0, 10)),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=60))
def test_it_never_exceeds_its_bytes_nor_gives_what_was_not_set(
    steps: list[tuple[str, bytes, Kept, float | None]],
) -> None:
    clock = Clock()
    cache = Cache(LARGEST_SHARE * 500, clock)
    model: dict[bytes, tuple[Kept, float]] = {}

    for what, key, value, seconds in steps:
        if what == "set":
            model.pop(key, None)
            if cache.set(key, value, seconds) is None:
                model[key] = value, clock.now_s + (math.inf if seconds is None else seconds)
        elif what == "delete":
            cache.delete(key)
            model.pop(key, None)
        elif what == "wait":
            clock.now_s += seconds or 0.0
        else:
            expected, until_s = model.get(key, (None, 0.0))
            found = cache.get(key)
            # There is room for all five, so what was set is there until its time is over.
            assert found == (expected if clock.now_s < until_s else None)
        assert 0 <= cache.bytes <= cache.max_bytes
    for key in list(model):
        cache.delete(key)
    assert (len(cache), cache.bytes) == (0, 0)
