"""Traffic for searches: which messages there are, when they were captured, and when they come.

Calls that last minutes, or longer than a bucket; values that change within a call; packets that come days
late; a flood of calls, and a telephone that registers all day.
"""

from random import Random

from tests.support.search_messages import (
    DOMAINS,
    LONG,
    Sent,
    log_line,
    other_message,
    random_ends,
    random_values,
    sip_message,
)

HOUR_US = 3_600_000_000
DENSE_HOURS = 6
"""Most traffic lies in so many hours from the base."""
LATE_HOURS = (-50, -27)
"""The rest: an hour each that far from the base."""


def make_traffic(random: Random, base_us: int, calls: int, rounds: int) -> list[Sent]:
    """The messages of so many calls and as many others, in the order of their times, which are distinct but
    for log lines."""
    sent: dict[int, Sent] = {}
    made = [
        message for n in range(calls) for message in (*_call(random, base_us, n), _other(random, base_us, n))
    ]
    for message in made + _flood(random, base_us, 3 * calls) + _telephone(random, base_us, calls):
        sent.setdefault(message.time_us, message)
    traffic = sorted(sent.values(), key=lambda message: message.time_us)
    logs = [message for message in traffic if message.key == "100_default"]
    for log in random.sample(logs, len(logs) // 2):
        traffic += [log_line(random, log.time_us, f"tie {n}") for n in range(random.choice([1, 2, 9]))]
    for message in traffic:
        message.round = _round(random, (message.time_us - base_us) / HOUR_US, rounds)
    return sorted(traffic, key=lambda message: message.time_us)


def _round(random: Random, hours: float, rounds: int) -> int:
    """Mostly in the order of time, but a quarter comes later than that, and what is days old comes any
    time."""
    due = max(0, int(hours * rounds / DENSE_HOURS)) if hours >= 0 else 0
    return min(rounds - 1, random.randrange(due, rounds) if random.random() < 0.25 or hours < 0 else due)


def _moment(random: Random, base_us: int) -> int:
    if random.random() < 0.1:
        return base_us + random.choice(LATE_HOURS) * HOUR_US + random.randrange(HOUR_US)
    return base_us + random.randrange(DENSE_HOURS * HOUR_US)


def _call(random: Random, base_us: int, number: int) -> list[Sent]:
    """A call's messages: most say the same about it, some do not."""
    key = random.choice(["1_call", "1_call", "1_call", "1_registration", "1_default"])
    time_us = _moment(random, base_us)
    # A few ms, minutes, or longer than a bucket from message to message.
    step_us = random.choice([20_000, 20_000, 120_000_000, 2_400_000_000])
    call_id = f"call-{number}{random.choice('abcdefgh')}@{random.choice(DOMAINS[:2])}"
    if random.random() < 0.05:
        call_id = f"call-{number}-{LONG}{random.choice('ab')}"
    usual, ends = random_values(random), random_ends(random)
    correlation_id = random.choice([None, None, None, "joined-1", "joined-2", call_id])
    messages = []
    for _ in range(random.choice([1, 2, 4, 6, 9])):
        changed = random_values(random)
        values = {name: changed[name] if random.random() < 0.15 else value for name, value in usual.items()}
        if random.random() < 0.1:
            ends = random_ends(random)
        elif random.random() < 0.5:
            ends = ends | {"source": ends["destination"], "destination": ends["source"]}
        messages.append(sip_message(random, key, time_us, call_id, values, ends, correlation_id))
        time_us += random.randrange(1, step_us)
        if time_us >= base_us + DENSE_HOURS * HOUR_US:
            break
    return messages


def _flood(random: Random, base_us: int, count: int) -> list[Sent]:
    """As many calls of one message each, in one hour: more than can be looked up one by one."""
    usual, ends = random_values(random), random_ends(random)
    times_us = (base_us + 2 * HOUR_US + random.randrange(HOUR_US) for _ in range(count))
    return [
        sip_message(random, "1_call", time_us, f"flood-{number}@flood.test", usual, ends, None)
        for number, time_us in enumerate(times_us)
    ]


def _telephone(random: Random, base_us: int, count: int) -> list[Sent]:
    """One that registers under one Call-ID all the time."""
    values, ends = random_values(random), random_ends(random)
    times_us = (base_us + random.randrange(DENSE_HOURS * HOUR_US) for _ in range(count))
    return [
        sip_message(random, "1_registration", time_us, "telephone@10.0.0.9", values, ends, "joined-1")
        for time_us in times_us
    ]


def _other(random: Random, base_us: int, number: int) -> Sent:
    # In few hours, for each class and hour is a pair of tables with all their indexes.
    hour = random.choice([0, 0, DENSE_HOURS - 2, DENSE_HOURS - 2, LATE_HOURS[0]])
    return other_message(random, base_us + hour * HOUR_US + random.randrange(HOUR_US), number)
