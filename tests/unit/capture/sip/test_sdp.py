"""Session descriptions of real senders, and those that are oddly written."""

import time

import pytest

from capture.hep.decode import decode_packet
from capture.sip.lines import unwrap
from capture.sip.parse import body, parse_message
from capture.sip.sdp import MOST_BYTES, MOST_MEDIA, Codec, Crypto, Media, Origin, Sdp, find_sdp, parse_sdp
from tests.support.captures import CORPUS, hep_packets

# Sent by sipp through Kamailio (kamailio-hep3-midcall.pcap).
SIPP = (
    b"v=0\r\no=alice 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6004 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
)
# Sent by hepgen.js (hepgen-b2bcall.pcap): a lone CR at the end.
HEPGEN = (
    b"v=0\r\no=hepgenjs 8000 8000 IN IP4 192.168.10.41\r\ns=SIP Call\r\nc=IN IP4 192.168.10.41\r\nt=0 0\r\n"
    b"m=audio 5004 RTP/AVP 0 8 9 18 101\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\r"
)
# RFC 4475 3.1.1.1: two media, and static payload types without an rtpmap.
TORTURE = (
    b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n"
    b"m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
)


def a_session(*lines: str) -> Sdp:
    text = "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", *lines])
    sdp = parse_sdp(text.encode())
    assert sdp is not None
    return sdp


def a_medium(*lines: str) -> Media:
    (media,) = a_session(*lines).media
    return media


def test_offer_of_a_real_sender_is_read() -> None:
    assert parse_sdp(SIPP) == Sdp(
        origin=Origin("alice", "53655765", "2353687637", "127.0.0.1"),
        name="-",
        connection="127.0.0.1",
        media=(
            Media(
                kind="audio",
                port=6004,
                protocol="RTP/AVP",
                formats=("0", "8", "101"),
                connection="127.0.0.1",
                codecs=(
                    Codec(0, "PCMU", 8000),
                    Codec(8, "PCMA", 8000),
                    Codec(101, "telephone-event", 8000, None, "0-15"),
                ),
                ptime=20.0,
            ),
        ),
    )


def test_codecs_stand_in_the_order_of_preference() -> None:
    sdp = parse_sdp(HEPGEN)

    assert sdp is not None
    assert [codec.name for codec in sdp.media[0].codecs] == [
        "PCMU",
        "PCMA",
        "G722",
        "G729",
        "telephone-event",
    ]
    assert [codec.fmtp for codec in sdp.media[0].codecs] == ["", "", "", "annexb=no", "0-15"]


def test_static_payload_types_need_no_rtpmap() -> None:
    sdp = parse_sdp(TORTURE)

    assert sdp is not None
    assert [(media.kind, media.port, media.codecs) for media in sdp.media] == [
        ("audio", 49217, (Codec(0, "PCMU", 8000), Codec(12, "QCELP", 8000))),
        ("video", 3227, (Codec(31, "LPC", None),)),
    ]


def test_dynamic_payload_type_without_rtpmap_has_no_name() -> None:
    assert a_medium("m=audio 1 RTP/AVP 111").codecs == (Codec(111),)


def test_every_description_of_the_corpus_is_read() -> None:
    bodies = []
    for path in sorted(CORPUS.glob("*.pcap")):
        for packet in hep_packets(path):
            message = parse_message(payload := decode_packet(packet).payload)
            if message.content_type and "sdp" in message.content_type:
                bodies.append(body(unwrap(payload)))

    read = [parse_sdp(data) for data in bodies]

    assert len(read) > 300
    assert all(sdp is not None and sdp.media and sdp.media[0].kind == "audio" for sdp in read)
    assert all(sdp.media[0].port and sdp.media[0].connection for sdp in read if sdp)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_the_sender_likes(end: str) -> None:
    assert parse_sdp(SIPP.decode().replace("\r\n", end).encode()) == parse_sdp(SIPP)


@pytest.mark.parametrize("data", [b"", b"\r\n", b"x=1", b"V=0\r\n", b"<xml/>", b"\0\0", b"\xff"])
def test_what_does_not_begin_as_one_is_none(data: bytes) -> None:
    assert parse_sdp(data) is None


def test_blank_lines_before_and_nuls_behind_do_not_matter() -> None:
    assert parse_sdp(b"\r\n\r\n" + SIPP + b"\0" * 8) == parse_sdp(SIPP)


def test_address_of_a_medium_wins_over_that_of_the_session() -> None:
    sdp = a_session("m=audio 1 RTP/AVP 0", "c=IN IP4 198.51.100.7", "m=video 2 RTP/AVP 31")

    assert [media.connection for media in sdp.media] == ["198.51.100.7", "192.0.2.1"]


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("c=IN IP4 224.2.36.42/127/3", "224.2.36.42"),
        ("c=IN IP6 2001:db8::1", "2001:db8::1"),
        ("c=IN IP6 [2001:db8::1]", "2001:db8::1"),
        ("c=IN IP4", "192.0.2.1"),
        ("c=", "192.0.2.1"),
    ],
)
def test_address_is_without_brackets_ttl_and_count(line: str, address: str) -> None:
    assert a_medium("m=audio 1 RTP/AVP 0", line).connection == address


def test_direction_is_the_mediums_own_else_the_sessions() -> None:
    sdp = a_session("a=sendonly", "m=audio 1 RTP/AVP 0", "m=audio 2 RTP/AVP 0", "a=inactive")

    assert [media.direction for media in sdp.media] == ["sendonly", "inactive"]
    assert a_medium("m=audio 1 RTP/AVP 0").direction == "sendrecv"


def test_crypto_lines_are_kept_in_order() -> None:
    media = a_medium(
        "m=audio 1 RTP/SAVP 0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4",
        "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj UNENCRYPTED_SRTP",
    )

    assert media.crypto == (
        Crypto("1", "AES_CM_128_HMAC_SHA1_80", "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4"),
        Crypto(
            "2", "AES_CM_128_HMAC_SHA1_32", "inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj UNENCRYPTED_SRTP"
        ),
    )


def test_rtcp_is_told_only_where_it_is_said() -> None:
    media = a_medium("m=audio 5004 RTP/AVP 0", "a=rtcp:5010 IN IP4 192.0.2.9", "a=rtcp-mux")

    assert (media.rtcp_port, media.rtcp_address, media.rtcp_mux) == (5010, "192.0.2.9", True)
    assert a_medium("m=audio 5004 RTP/AVP 0").rtcp_port is None


def test_channels_and_rate_of_an_rtpmap_are_read() -> None:
    media = a_medium(
        "m=audio 1 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1"
    )

    assert media.codecs == (Codec(111, "opus", 48000, 2, "useinbandfec=1"),)


def test_what_is_not_rtp_has_formats_and_no_codecs() -> None:
    media = a_medium("m=image 4000 udptl t38")

    assert (media.protocol, media.formats, media.codecs) == ("udptl", ("t38",), ())


@pytest.mark.parametrize(
    ("line", "port", "ports"),
    [
        ("m=audio 0 RTP/AVP 0", 0, 1),
        ("m=audio 49170/2 RTP/AVP 31", 49170, 2),
        ("m=audio 70000 RTP/AVP 0", None, 1),
        ("m=audio x RTP/AVP 0", None, 1),
        ("m=audio", None, 1),
        ("m=", None, 1),
    ],
)
def test_port_that_cannot_be_one_is_none(line: str, port: int | None, ports: int) -> None:
    media = a_medium(line, "a=sendonly")

    assert (media.port, media.ports, media.direction) == (port, ports, "sendonly")


@pytest.mark.parametrize(
    "line",
    [
        *(
            "a=rtpmap:",
            "a=rtpmap:x PCMU/8000",
            "a=rtpmap:128 PCMU/8000",
            "a=rtpmap:0",
            "a=fmtp:",
            "a=fmtp:x y",
        ),
        *("a=ptime:", "a=ptime:nan", "a=ptime:-1", "a=ptime:1e9", "a=rtcp:", "a=", "z", "", "o=", "o=a b"),
        "a=rtpmap:1234567890123456789012345678901234567890 x/1",
    ],
)
def test_line_that_cannot_be_read_is_as_if_it_were_not_there(line: str) -> None:
    assert a_medium("m=audio 1 RTP/AVP 0", line) == a_medium("m=audio 1 RTP/AVP 0")


def test_first_of_two_rtpmaps_counts() -> None:
    media = a_medium("m=audio 1 RTP/AVP 97", "a=rtpmap:97 iLBC/8000", "a=rtpmap:97 opus/48000")

    assert media.codecs == (Codec(97, "iLBC", 8000),)


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    sdp = parse_sdp(b"v=0\r\ns=caf\xe9\r\n")

    assert sdp == Sdp(None, "caf\ufffd", "", ())


def test_media_beyond_the_limit_are_left_out() -> None:
    sdp = parse_sdp(b"v=0\n" + b"m=audio 1 RTP/AVP 0\n" * (MOST_MEDIA + 5))

    assert sdp is not None
    assert len(sdp.media) == MOST_MEDIA


# kamailio-hep3-midcall.pcap: SIP-I, a session description beside ISUP.
MULTIPART = (
    b"--bnd42\r\nContent-Type: application/sdp\r\n\r\n" + SIPP + b"\r\n--bnd42\r\n"
    b"Content-Type: application/isup;version=itu-t92+\r\n"
    b"Content-Disposition: signal;handling=optional\r\n\r\nbinary-placeholder\r\n--bnd42--\r\n"
)


@pytest.mark.parametrize("content_type", ["application/sdp", "Application/SDP ;charset=utf-8", ""])
def test_body_that_is_one_is_found_whole(content_type: str) -> None:
    assert find_sdp(content_type, SIPP) == SIPP


@pytest.mark.parametrize(
    "content_type",
    ["multipart/mixed;boundary=bnd42", 'Multipart/Related; type="x/y"; Boundary = "bnd42" ;start=1'],
)
def test_part_of_a_multipart_is_found_by_its_boundary(content_type: str) -> None:
    assert find_sdp(content_type, MULTIPART) == SIPP


def test_part_behind_others_is_found() -> None:
    parts = (
        b"preamble\r\n--b\r\n\r\nno type\r\n--b \r\nContent-Disposition: x\r\n"
        b"CONTENT-TYPE :\r\n application/sdp\r\n\r\nv=0\r\n--bb\r\n--b--\r\nv=1\r\n"
    )

    assert find_sdp("multipart/mixed; boundary=b", parts) == b"v=0\r\n--bb"


def test_what_follows_the_last_boundary_is_no_part() -> None:
    parts = b"--b\r\n\r\nx\r\n--b--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"

    assert find_sdp("multipart/mixed; boundary=b", parts) is None


def test_part_of_a_multipart_within_a_multipart_is_found() -> None:
    outer = b"--o\r\nContent-Type: multipart/mixed;boundary=bnd42\r\n\r\n" + MULTIPART + b"\r\n--o--"

    assert find_sdp("multipart/signed;boundary=o", outer) == SIPP


def test_part_that_a_capture_cut_off_is_found() -> None:
    assert find_sdp("multipart/mixed;boundary=bnd42", MULTIPART[:100]) == SIPP[:58]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/isup",
        "multipart/mixed",
        "multipart/mixed;boundary=",
        "multipart/mixed;boundary=other",
        "x",
    ],
)
def test_body_without_such_a_part_has_none(content_type: str) -> None:
    assert find_sdp(content_type, MULTIPART) is None


def cost_s(data: bytes) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        parse_sdp(data)
        find_sdp("multipart/mixed;boundary=--", data)
        best = min(best, time.perf_counter() - started)
    return best


HOSTILE = {
    "media": b"m=\n",
    "crypto": b"a=crypto:\n",
    "line ends": b"\r",
    "boundaries": b"\n----",
    "boundaries without end": b"\n---- \t",
    "half boundaries": b"\n--",
    "dashes": b"-",
    "blanks": b" ",
    "not UTF-8": b"\xff",
    "types": b"\n----\ncontent-type: x\n",
    "folded types": b"\n ",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_body_costs_no_more_than_a_few_honest_ones(name: str) -> None:
    # Something quadratic costs hundreds of times as much at this size.
    honest = b"v=0\r\n" + (b"a=rtpmap:101 telephone-event/8000\r\n" * (MOST_BYTES // 35))
    hostile = b"v=0\r\n" + HOSTILE[name] * (MOST_BYTES // len(HOSTILE[name]))

    assert cost_s(hostile) < 15 * cost_s(honest)


def test_formats_of_one_medium_are_limited() -> None:
    media = a_medium("m=audio 1 RTP/AVP " + "0 " * 1000)

    assert len(media.formats) == 256
