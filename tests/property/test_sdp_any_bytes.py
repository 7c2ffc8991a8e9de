"""Any bytes are a session description or none, and one that is written is read back."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from capture.sip.sdp import Codec, Crypto, find_sdp, parse_sdp

PIECES = [
    *(
        b"v=0",
        b"m=audio 1 RTP/AVP 0",
        b"m=",
        b"c=IN IP4 192.0.2.1/1",
        b"o=- 1 1",
        b"s=",
        b"a=rtpmap:",
        b"a=fmtp:",
    ),
    *(
        b"a=crypto:",
        b"a=rtcp:",
        b"a=ptime:",
        b"a=sendonly",
        b"0",
        b"97",
        b" ",
        b"/",
        b":",
        b".",
        b"\r\n",
        b"\n",
    ),
    *(
        b"\n--b",
        b"--b--",
        b"Content-Type: application/sdp",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"\xc2\xb2",
        b"\xd9\xa3",
    ),
]
sdp_like = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40).map(b"".join)


@settings(max_examples=300)
@given(st.binary(max_size=200) | sdp_like | sdp_like.map(b"v=0\r\n".__add__))
@example(b"v=0\nm=audio \xd9\xa3 RTP/AVP \xc2\xb2\na=ptime:\xd9\xa3\na=rtpmap:\xc2\xb2 x")
def test_any_bytes_are_a_description_or_none(body: bytes) -> None:
    sdp = parse_sdp(body)

    if sdp is not None:
        assert all(media.direction in ("sendrecv", "sendonly", "recvonly", "inactive") for media in sdp.media)
        assert all(media.port is None or 0 <= media.port <= 65535 for media in sdp.media)


@settings(max_examples=300)
@given(sdp_like, st.sampled_from(["", "application/sdp"]) | st.text(max_size=30), st.text(max_size=10))
@example(b"\n--[", "multipart/mixed", "[")
def test_part_that_is_found_stands_in_the_body(body: bytes, content_type: str, boundary: str) -> None:
    for kind in (content_type, f"multipart/mixed;boundary={boundary}", 'multipart/mixed;boundary="b"'):
        found = find_sdp(kind, body)

        assert found is None or found in body


words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-+", min_size=1, max_size=12)
codecs = st.builds(
    Codec,
    st.integers(0, 127),
    words,
    st.integers(1, 192_000),
    st.none() | st.integers(1, 8),
    st.just("") | words,
)
cryptos = st.builds(Crypto, st.integers(1, 999).map(str), words, words.map("inline:".__add__))


@settings(max_examples=100)
@given(
    st.lists(codecs, max_size=6, unique_by=lambda codec: codec.payload_type),
    st.lists(cryptos, max_size=3),
    st.integers(0, 65535),
    st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
)
def test_medium_that_is_written_is_read_back(
    codecs: list[Codec], cryptos: list[Crypto], port: int, direction: str
) -> None:
    lines = ["v=0", f"m=audio {port} RTP/SAVP " + " ".join(str(codec.payload_type) for codec in codecs)]
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels else ""
        lines.append(f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.rate}{channels}")
        if codec.fmtp:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
    lines += [f"a=crypto:{crypto.tag} {crypto.suite} {crypto.keys}" for crypto in cryptos]
    lines.append(f"a={direction}")

    sdp = parse_sdp("\r\n".join(lines).encode())

    assert sdp is not None
    (media,) = sdp.media
    assert (list(media.codecs), list(media.crypto), media.port, media.direction) == (
        codecs,
        cryptos,
        port,
        direction,
    )
