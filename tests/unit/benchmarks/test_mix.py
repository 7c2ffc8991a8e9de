"""The benchmark's traffic has the properties that its figures are stated for."""

from collections import Counter
from itertools import islice

from capture.hep.decode import decode_packet
from capture.sip.parse import parse_message
from tests.benchmarks import mix
from tests.benchmarks.flood import places_to_renew
from tests.benchmarks.other_mixes import MIXES

START_US = 1_790_000_000_000_000


def test_calls_have_7_8_messages_and_packets_942_bytes_on_average():
    packets = [len(timed.packet) for timed in mix.calls(0, START_US, 1000, number=4000)]

    assert abs(len(packets) / 4000 - 7.8) < 0.1
    assert abs(sum(packets) / len(packets) - 942) < 10


def test_busy_callers_make_seven_calls_in_ten_and_the_tail_is_long():
    numbers = [mix.Call(number).caller_number for number in range(4000)]
    tail = Counter(number for number in numbers if number >= mix.BUSY_CALLERS)

    assert abs(sum(number < mix.BUSY_CALLERS for number in numbers) / 4000 - 0.7) < 0.03
    assert tail.most_common(1)[0][1] <= 4
    assert max(numbers) < mix.CALLERS == 60_000


def test_callers_and_callees_are_as_many_numbers():
    assert len({mix.caller(number) for number in range(mix.CALLERS)}) == mix.CALLERS
    assert len({mix.callee(number) for number in range(mix.CALLEES)}) == mix.CALLEES == 100_000


def test_call_is_the_same_in_every_run():
    once, again = (list(mix.Call(7).packets(START_US)) for _ in range(2))

    assert once == again
    assert once != list(mix.Call(8).packets(START_US))


def test_packets_come_in_the_order_of_their_times():
    times = [timed.time_us for timed in islice(mix.calls(0, START_US, 5000), 2000)]

    assert times == sorted(times)


def test_messages_are_read_as_the_call_that_they_belong_to():
    call = mix.Call(5)

    for timed in call.packets(START_US):
        packet = decode_packet(timed.packet)
        message = parse_message(packet.payload)
        assert message.parse_error is None
        assert (message.call_id, message.from_user, message.to_user) == (
            call.call_id,
            call.caller,
            call.callee,
        )
        assert packet.seconds * 1_000_000 + packet.microseconds == timed.time_us


def test_sender_renews_the_ids_and_the_time_of_a_packet():
    packet = next(mix.Call(5).packets(START_US)).packet

    time_at, places = places_to_renew(packet)

    assert packet[time_at : time_at + 4] == (START_US // 1_000_000).to_bytes(4, "big")
    # Call-ID, chunk 0x0011, tag, and two branches.
    assert len(places) == 5
    assert all(packet[place : place + 8] == mix.LOOP for place in places)


def test_every_other_mix_is_decoded():
    for packets, _ in MIXES.values():
        for packet in islice(packets(), 200):
            assert decode_packet(packet).payload
