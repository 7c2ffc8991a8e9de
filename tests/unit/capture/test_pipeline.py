"""From a record to its rows and its outcome."""

import struct
from typing import Any

import msgspec
import pytest

from capture.draft import Draft, Filters
from capture.fields import StoredMessage, read_fields
from capture.hep.encode import encode_packet
from capture.hep.packet import Packet
from capture.imported import peer_of
from capture.interpret import Interpreter
from capture.journal.figures import WorkerFigure
from capture.journal.record import Carrier, Record
from capture.keys import KeyMemory
from capture.mark import PacketMark
from capture.pipeline import STRIDE, GiveUp, LabelOf, Pipeline, Rows
from capture.route import MessageClass
from capture.settings import AcceptSettings, HepSettings, SipSettings, StorageSettings
from capture.sip.ids import call_hash
from capture.stats import Outcome
from capture.store.codec import PayloadCodec
from capture.store.columns import KEY_TEXT_COLUMNS
from capture.store.expiry import FOR_EVER
from capture.store.partitions import Leaf
from tests.support.stored import Scripts

NOW_US = 1_795_000_000_000_000
PEER = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"
INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: abc@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"X-Trunk: blue\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def a_packet(payload: bytes = INVITE, **given: object) -> Packet:
    settings: dict[str, object] = {
        "family": 2,
        "ip_protocol": 17,
        "source": b"\xc0\x00\x02\x01",
        "destination": b"\xc0\x00\x02\x02",
        "source_port": 5060,
        "destination_port": 5062,
        "seconds": NOW_US // 1_000_000,
        "microseconds": 7,
        "protocol_type": 1,
        "capture_id": 2001,
    }
    return Packet(version=3, payload=payload, **(settings | given))  # type: ignore[arg-type]


def a_record(packet: Packet | bytes, carrier: Carrier = Carrier.UDP, number: int = 1) -> Record:
    data = packet if isinstance(packet, bytes) else encode_packet(packet)
    return Record(number, 1, 64 * number, NOW_US + 1000, carrier, PEER, 5060, data)


def a_pipeline(
    accept: AcceptSettings | None = None,
    sip: SipSettings | None = None,
    storage: StorageSettings | None = None,
    codec: PayloadCodec | None = None,
    mark: PacketMark | None = None,
    give_up: GiveUp | None = None,
    filters: Filters | None = None,
    label_of: LabelOf = lambda number: None,
) -> Pipeline:
    return Pipeline(
        hep=HepSettings(),
        accept=accept or AcceptSettings(),
        sip=sip or SipSettings(),
        storage=storage or StorageSettings(),
        codec=codec or PayloadCodec(),
        find_leaf=lambda message_class, time_us: Leaf(
            message_class, 1, time_us - time_us % 1000, time_us + 1000
        ),
        keys=KeyMemory(1000),
        mark=mark,
        give_up=give_up,
        filters=filters,
        label_of=label_of,
    )


def outcomes(rows: Rows) -> list[str]:
    return [Outcome(index).name for index, count in enumerate(rows.outcomes) for _ in range(count)]


def test_sip_message_makes_a_message_row_and_a_key_row() -> None:
    rows = Rows()

    a_pipeline().process([a_record(a_packet())], 3, rows)

    ((leaf, of_leaf),) = rows.leaves.items()
    assert outcomes(rows) == ["WRITTEN"]
    assert leaf.message_class is MessageClass.CALL
    assert of_leaf.origins == [3]
    assert of_leaf.messages[0].startswith(struct.pack(">hiq", 19, 8, NOW_US + 7))
    assert of_leaf.messages[0].endswith(INVITE)
    assert of_leaf.key_calls == [call_hash("abc@192.0.2.1")]
    assert b"alice" in of_leaf.keys[0]


def test_second_message_of_a_call_has_no_key_row() -> None:
    rows, pipeline = Rows(), a_pipeline()

    pipeline.process([a_record(a_packet())], 0, rows)
    pipeline.process([a_record(a_packet())], 1, rows)

    ((_, of_leaf),) = rows.leaves.items()
    assert outcomes(rows) == ["WRITTEN", "WRITTEN"]
    assert len(of_leaf.messages) == 2
    assert len(of_leaf.keys) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "short"), (b"rubbish that is no HEP", "magic"), (b"HEP3\x00\x03aa", "length")],
)
def test_what_is_not_hep_is_malformed_with_its_reason(data: bytes, reason: str) -> None:
    rows = Rows()

    a_pipeline().process([a_record(data)], 0, rows)

    assert outcomes(rows) == ["MALFORMED"]
    assert rows.malformed == {reason: 1}
    assert not rows.leaves


def test_run_of_tcp_bytes_is_malformed_even_if_it_looks_like_hep() -> None:
    rows = Rows()

    a_pipeline().process([a_record(a_packet(), Carrier.TCP_RUBBISH)], 0, rows)

    assert outcomes(rows) == ["MALFORMED"]
    assert rows.malformed == {"stream": 1}


def test_packet_without_the_key_is_refused_before_anything_is_read() -> None:
    rows = Rows()
    pipeline = a_pipeline(accept=AcceptSettings.model_validate({"keys": ["right"]}))

    pipeline.process([a_record(a_packet(auth_key=b"wrong"))], 0, rows)
    pipeline.process([a_record(a_packet(auth_key=b"right"))], 1, rows)

    assert outcomes(rows) == ["WRITTEN", "REFUSED"]


@pytest.mark.parametrize("payload", [b"", b"\r\n\r\n", b"\0", b"HEP PING", b"HEPPING\r\n"])
def test_keep_alive_is_filtered(payload: bytes) -> None:
    rows = Rows()

    a_pipeline().process([a_record(a_packet(payload))], 0, rows)

    assert outcomes(rows) == ["FILTERED"]


def test_protocol_type_zero_is_filtered() -> None:
    rows = Rows()

    a_pipeline().process([a_record(a_packet(protocol_type=0))], 0, rows)

    assert outcomes(rows) == ["FILTERED"]
    assert rows.filtered == {"keep_alive": 1}


def test_packet_older_than_its_class_s_retention_is_filtered_and_no_leaf_is_asked_for() -> None:
    rows, pipeline = Rows(), a_pipeline()
    time_us = NOW_US + 7
    pipeline.keep_since({**FOR_EVER, MessageClass.CALL: time_us + 1, MessageClass.RTCP: time_us})

    pipeline.process([a_record(a_packet())], 0, rows)
    pipeline.process([a_record(a_packet(b"{}", protocol_type=5))], 1, rows)

    assert outcomes(rows) == ["WRITTEN", "FILTERED"]
    assert rows.filtered == {"expired": 1}
    assert [leaf.message_class for leaf in rows.leaves] == [MessageClass.RTCP]


def test_leaf_that_is_there_takes_nothing_that_is_too_old() -> None:
    rows, pipeline = Rows(), a_pipeline()
    pipeline.keep_since({**FOR_EVER, MessageClass.CALL: NOW_US + 7})

    pipeline.process([a_record(a_packet(microseconds=micros)) for micros in (7, 8, 6, 7)], 0, rows)
    pipeline.keep_since({**FOR_EVER, MessageClass.CALL: NOW_US + 8})
    pipeline.process([a_record(a_packet(microseconds=micros)) for micros in (7, 8)], 4, rows)

    assert [origin for of_leaf in rows.leaves.values() for origin in of_leaf.origins] == [0, 1, 3, 5]
    assert rows.filtered == {"expired": 2}


def test_deduplication_is_off_unless_asked_for() -> None:
    plain, asked = Rows(), Rows()
    deduplicating = a_pipeline(storage=StorageSettings(deduplicate_ms=500))
    pipeline = a_pipeline()

    for origin in range(2):
        pipeline.process([a_record(a_packet())], origin, plain)
        deduplicating.process([a_record(a_packet())], origin, asked)

    assert outcomes(plain) == ["WRITTEN", "WRITTEN"]
    assert outcomes(asked) == ["WRITTEN", "DUPLICATE"]


class _Redacting(Filters):
    """A script that makes all payloads the same."""

    def reach(self, protocol_type: int) -> bool:
        return True

    def run(self, draft: Draft) -> None:
        draft.write("payload", b"redacted")


def test_messages_that_a_script_makes_alike_are_no_duplicates_and_copies_of_one_are() -> None:
    rows = Rows()
    pipeline = a_pipeline(storage=StorageSettings(deduplicate_ms=500), filters=_Redacting())
    other = a_packet(INVITE.replace(b"abc@", b"def@"))

    pipeline.process([a_record(a_packet()), a_record(other), a_record(other)], 0, rows)

    assert outcomes(rows) == ["WRITTEN", "WRITTEN", "DUPLICATE"]


class _Enlarging(_Redacting):
    def run(self, draft: Draft) -> None:
        draft.write("payload", draft.payload + b"x" * 1000)
        draft.write("custom:tag", "y" * 50)


def test_what_filters_add_to_messages_is_told() -> None:
    rows = Rows()

    a_pipeline(filters=_Enlarging()).process([a_record(a_packet()), a_record(a_packet())], 0, rows)

    assert rows.added_bytes == 2 * (1050 + len("custom:tag"))


@pytest.mark.parametrize(
    ("protocol_type", "payload", "message_class"),
    [
        (1, INVITE.replace(b"INVITE", b"REGISTER"), MessageClass.REGISTRATION),
        (1, INVITE.replace(b"INVITE", b"OPTIONS"), MessageClass.OTHER),
        (1, b"what is this", MessageClass.OTHER),
        (5, b'{"ssrc": 1}', MessageClass.RTCP),
        (34, b'{"MOS": 4.2}', MessageClass.REPORT),
        (53, b'{"id": 1}', MessageClass.DNS),
        (54, b'{"cic": 1}', MessageClass.ISUP),
        (99, b"anything", MessageClass.REPORT),
        (100, b"a line", MessageClass.LOG),
        (200, b"\x00\x01", MessageClass.REPORT),
    ],
)
def test_every_type_is_stored_in_its_class_with_its_exact_payload(
    protocol_type: int, payload: bytes, message_class: MessageClass
) -> None:
    rows = Rows()

    a_pipeline().process([a_record(a_packet(payload, protocol_type=protocol_type))], 0, rows)

    ((leaf, of_leaf),) = rows.leaves.items()
    assert leaf.message_class is message_class
    assert of_leaf.messages[0].endswith(struct.pack(">i", len(payload)) + payload)


@pytest.mark.parametrize(
    "packet",
    [
        a_packet(),
        a_packet(correlation_id=b"other-leg"),
        a_packet(correlation_id=b"abc@192.0.2.1"),
        a_packet(b"no SIP", correlation_id=None),
        a_packet(b'{"a": 1}', protocol_type=5, correlation_id=b"abc"),
        a_packet(b'{"a": 1}', protocol_type=5),
        a_packet(b"line", protocol_type=100, source=None, destination=None),
        a_packet(b"", protocol_type=34, node_name=b"node\xff"),
    ],
)
def test_what_a_message_is_found_by_is_what_its_row_shows(packet: Packet) -> None:
    meaning = Interpreter(SipSettings(custom_headers=("X-Trunk",))).interpret(packet, None)

    shown = read_fields(
        StoredMessage(
            message_class=meaning.message_class,
            id=1,
            time_us=NOW_US,
            delay_us=0,
            capture_id=packet.capture_id,
            source="192.0.2.1" if packet.source else None,
            source_port=packet.source_port,
            destination="192.0.2.2" if packet.destination else None,
            destination_port=packet.destination_port,
            flags=meaning.flags,
            protocol_type=meaning.protocol_type,
            ip_protocol=packet.ip_protocol,
            method=meaning.method,
            node_name=meaning.node_name,
            correlation_id=meaning.correlation_id,
            session_id=meaning.session_id,
            parse_error=meaning.parse_error,
            extra=None,
            payload=packet.payload,
        ),
        ["X-Trunk"],
    )

    found_by = dict(zip(KEY_TEXT_COLUMNS, meaning.key_values, strict=True))
    assert shown["sid"] == meaning.sid
    for name, value in found_by.items():
        if value:
            assert shown[name] == value
    assert shown["correlation_id"] == (found_by["correlation_id"] or found_by["sid"])
    assert {name: value for name, value in shown.items() if name.startswith("custom:")} == (
        meaning.key_extra or {}
    )


def test_rare_facts_of_the_packet_are_kept() -> None:
    packet = a_packet(mos=440, vlan=7, tos=8, tcp_flags=2, compressed_bytes=9, others=((0, 0x22, b"here"),))

    meaning = Interpreter(SipSettings()).interpret(packet, 17)

    assert meaning.extra == {
        "hep": {
            "mos": 440,
            "vlan": 7,
            "tos": 8,
            "tcp_flags": 2,
            "compressed_bytes": 9,
            "sender_time_us": 17,
            "chunks": [[0, 0x22, "68657265"]],
        }
    }


def test_a_leg_header_gives_the_correlation_id_where_the_sender_gives_none() -> None:
    headers = SipSettings(correlation_headers=("X-Absent", "X-Trunk"))
    wins = SipSettings(correlation_headers=("X-Trunk",), correlation_header_wins=True)
    sent = a_packet(correlation_id=b"sent")

    assert Interpreter(headers).interpret(a_packet(), None).correlation_id == "blue"
    assert Interpreter(headers).interpret(sent, None).correlation_id == "sent"
    assert Interpreter(wins).interpret(sent, None).correlation_id == "blue"


class _CodecThatFailsOnce(PayloadCodec):
    failed = False

    def encode(self, payload: bytes) -> tuple[int, bytes]:
        if self.failed:
            return super().encode(payload)
        self.failed = True
        raise MemoryError


def test_message_whose_processing_broke_off_hides_neither_its_copy_nor_its_values() -> None:
    given_up: list[int] = []
    pipeline = a_pipeline(
        storage=StorageSettings(deduplicate_ms=500),
        codec=_CodecThatFailsOnce(),
        give_up=lambda record, _: given_up.append(record.number),
    )
    rows = Rows()

    pipeline.process([a_record(a_packet()), a_record(a_packet(), number=2)], 0, rows)

    assert given_up == [1]
    assert outcomes(rows) == ["WRITTEN", "FAILED"]
    assert [len(of_leaf.keys) for of_leaf in rows.leaves.values()] == [1]


def test_packets_of_several_strides_keep_their_order_and_their_origins() -> None:
    count = 2 * STRIDE + 3
    rows = Rows()

    a_pipeline().process([a_record(a_packet(seconds=NOW_US // 1_000_000 + n)) for n in range(count)], 7, rows)

    stored = [(of_leaf.origins, leaf.lower_us) for leaf, of_leaf in rows.leaves.items()]
    assert [origin for origins, _ in stored for origin in origins] == list(range(7, 7 + count))
    assert [lower_us for _, lower_us in stored] == sorted(lower_us for _, lower_us in stored)


def test_mark_stands_at_the_packet_that_is_dealt_with_and_nowhere_afterwards() -> None:
    words = [0] * len(WorkerFigure)
    seen: list[tuple[int, int]] = []
    records = [a_record(a_packet(), number=number) for number in (1, 2)]

    class Watched(PayloadCodec):
        def encode(self, payload: bytes) -> tuple[int, bytes]:
            seen.append(divmod(words[WorkerFigure.MARK], 1 << 32))
            return super().encode(payload)

    a_pipeline(codec=Watched(), mark=PacketMark(words)).process(records, 0, Rows())

    assert seen == [(record.segment, record.offset) for record in records]
    assert words[WorkerFigure.MARK] == 0


# ---- what was imported ----


def an_imported(packet: Packet | bytes, number: int = 7, frame_us: int = NOW_US + 7) -> Record:
    record = a_record(packet, Carrier.IMPORT)
    return msgspec.structs.replace(record, peer=peer_of(number, frame_us))


def an_importing_pipeline(**given: Any) -> Pipeline:
    return a_pipeline(**given, label_of={7: "ticket-7", 8: "ticket-8"}.get)


def rows_of(pipeline: Pipeline, *records: Record) -> tuple[list[bytes], list[bytes]]:
    rows = Rows()
    pipeline.process(records, 0, rows)
    assert outcomes(rows) == ["WRITTEN"] * len(records)
    leaves = rows.leaves.values()
    return [m for leaf in leaves for m in leaf.messages], [k for leaf in leaves for k in leaf.keys]


def test_imported_message_shows_its_label_and_is_found_by_it() -> None:
    (message,), (key,) = rows_of(an_importing_pipeline(), an_imported(a_packet()))

    assert b'{"fields":{"custom:import_label":"ticket-7"}}' in message
    assert b'{"custom:import_label":["ticket-7"]}' in key


def test_every_key_row_of_an_import_bears_its_label() -> None:
    other = a_packet(INVITE.replace(b"bob", b"eve"))

    _, keys = rows_of(an_importing_pipeline(), an_imported(a_packet()), an_imported(other))

    assert [b"ticket-7" in key for key in keys] == [True, True]
    assert b"eve" in keys[1]


def test_what_one_import_is_found_by_does_not_rest_on_what_was_written_for_another() -> None:
    records = (
        an_imported(a_packet()),
        an_imported(a_packet(), 8),
        a_record(a_packet()),
        an_imported(a_packet()),
    )

    _, keys = rows_of(an_importing_pipeline(), *records)

    assert [b"alice" in key for key in keys] == [True] * 4
    assert [b"ticket-7" in key for key in keys] == [True, False, False, True]
    assert b"ticket-8" in keys[1]
    assert b"import_label" not in keys[2]


def test_label_and_what_scripts_set_stand_side_by_side() -> None:
    def run(draft: Draft) -> None:
        assert draft.write("custom:customer", "acme") is None
        assert "is not for scripts to set" in str(draft.write("custom:import_label", "mine"))

    (message,), (key,) = rows_of(an_importing_pipeline(filters=Scripts(run)), an_imported(a_packet()))

    assert b'"custom:customer":"acme"' in message
    assert b'"custom:import_label":"ticket-7"' in message
    assert b'"custom:import_label":["ticket-7"]' in key


def test_import_whose_report_has_gone_is_stored_without_label() -> None:
    (message,), _ = rows_of(an_importing_pipeline(), an_imported(a_packet(), 99))

    assert b"import_label" not in message


def test_imported_packet_is_asked_for_no_key() -> None:
    accept = AcceptSettings.model_validate({"keys": ["right"], "addresses": ["10.0.0.0/8"]})

    assert len(rows_of(an_importing_pipeline(accept=accept), an_imported(a_packet()))[0]) == 1


def test_imported_packet_without_a_time_has_that_of_its_frame() -> None:
    frame_us = NOW_US - 40 * 86_400_000_000
    packet = a_packet(seconds=None, microseconds=None)

    (message,), _ = rows_of(an_importing_pipeline(), an_imported(packet, frame_us=frame_us))

    assert message.startswith(struct.pack(">hiq", 19, 8, frame_us))
