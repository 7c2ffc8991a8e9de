"""What holds for every TCP stream and every way to split it."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.hep.framing import Framer, Rubbish
from tests.support.hep_bytes import SIP, a_hep3, chunk, hep3, legacy

frames = st.one_of(
    st.builds(lambda payload: a_hep3(payload=payload), st.binary(max_size=80)),
    st.builds(lambda body: hep3(chunk(0xF, body), magic=b"EEP3"), st.binary(max_size=20)),
    st.just(b"HEP3\0\x06"),
    st.just(a_hep3(payload=a_hep3())),
)
no_frames = st.one_of(
    st.binary(min_size=1, max_size=90),
    st.sampled_from(
        [
            b"HELLO HFP",
            b"HEP",
            b"EEP",
            b"HHEP",
            b"HEP3",
            b"HEP3\0\x05",
            b"HEP3\0\x20\0\0\0\1\0\x05",
            b"EP3" * 7,
            legacy(1, payload=SIP[:20]),
            a_hep3()[:70],
            a_hep3()[30:],
        ]
    ),
)
streams = st.lists(frames | no_frames, max_size=8).map(b"".join)


def cut(pieces: list[bytes]) -> list[bytes | Rubbish]:
    framer = Framer()
    found = [item for piece in pieces for item in framer.feed(piece)]
    return found + list(framer.finish())


@st.composite
def split_streams(draw: st.DrawFn) -> list[bytes]:
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@settings(max_examples=300)
@given(split_streams())
def test_every_split_of_a_stream_gives_the_same(pieces: list[bytes]) -> None:
    assert cut(pieces) == cut([b"".join(pieces)])


@settings(max_examples=100)
@given(streams)
def test_byte_by_byte_gives_the_same(stream: bytes) -> None:
    assert cut([stream[at : at + 1] for at in range(len(stream))]) == cut([stream])


@settings(max_examples=200)
@given(streams)
def test_every_byte_of_a_stream_is_in_one_packet_or_one_run(stream: bytes) -> None:
    at = 0
    for item in cut([stream]):
        if isinstance(item, Rubbish):
            assert item.head == stream[at : at + min(64, item.length)]
            at += item.length
        else:
            assert item == stream[at : at + len(item)]
            at += len(item)

    assert at == len(stream)


@settings(max_examples=200)
@given(st.lists(frames, max_size=6), st.binary(max_size=30).filter(lambda data: b"EP3" not in data))
def test_honest_packets_come_out_whole_after_any_rubbish(packets: list[bytes], rubbish: bytes) -> None:
    # A beginning of a magic at the rubbish's end could join with the packet's own.
    rubbish += b"."

    assert cut([rubbish, *packets]) == [Rubbish(len(rubbish), rubbish[:64]), *packets]


def seconds_to_cut(pieces: list[bytes]) -> float:
    least = float("inf")
    for _ in range(5):
        start = time.process_time()
        cut(pieces)
        least = min(least, time.process_time() - start)
    return least


def test_time_is_linear_in_the_bytes_fed_one_by_one() -> None:
    largest = hep3(chunk(0xF, bytes(65_000)))
    whole = [largest[at : at + 1] for at in range(len(largest) - 1)]

    # Eight times the bytes: eight times the time, or sixty-four if anything were searched or copied again.
    assert seconds_to_cut(whole) < 24 * seconds_to_cut(whole[: len(whole) // 8])


def test_hostile_stream_costs_no_more_than_a_few_times_the_smallest_packets() -> None:
    honest = [b"HEP3\0\x06" * 10_922]

    for hostile in (b"HEP3\0\x05", b"EP3EP3", b"HEP3HE", b"HEP3\xff\xff\0\0\0\1\0\0"):
        assert seconds_to_cut([(hostile * 10_922)[:65_532]]) < 10 * seconds_to_cut(honest)
