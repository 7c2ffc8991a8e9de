"""Fields never raise and can always be shown, and ids are read back as they were stored."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.fields import (
    StoredMessage,
    correlation_id_of,
    read_fields,
    read_media,
    session_id_of,
    stored_ids,
)
from capture.route import MessageClass, classify, route_sip
from capture.sip.parse import parse_message

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
columns: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**53),
        "time_us": st.integers(0, 2**52),
        "delay_us": st.integers(-(2**40), 2**40),
        "capture_id": st.none() | st.integers(0, 2**32 - 1),
        "source": st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
        "source_port": st.none() | st.integers(0, 65535),
        "destination": st.sampled_from([None, "192.0.2.2", "2001:db8::2"]),
        "destination_port": st.none() | st.integers(0, 65535),
        "flags": st.integers(0, 63),
        "ip_protocol": st.none() | st.integers(0, 255),
        "method": st.none() | texts,
        "node_name": st.none() | texts,
        "parse_error": st.none() | texts,
        "extra": st.none()
        | st.just({})
        | st.dictionaries(texts, st.none() | texts | st.integers()).map(lambda fields: {"fields": fields}),
    }
)
payloads = st.binary(max_size=120) | st.sampled_from(
    [
        b"INVITE sip:b@c SIP/2.0\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 200 OK\r\ni: \xff\0\r\n\r\n",
        b'{"payload":"BYE sip:b@c SIP/2.0\\r\\nCall-ID: call"}',
        b'{"cic":1,"opc":2,"dpc":3}',
        b'{"cic":"\\ud800","opc":"\\u0000","dpc":3}',
        b'{"CORRELATION_ID":"call"}',
        b"ID=call",
        b"",
    ]
)


@settings(max_examples=150)
@given(
    st.sampled_from(MessageClass),
    st.integers(0, 255),
    payloads,
    columns,
    st.none() | texts,
    st.none() | texts,
)
def test_any_row_has_fields(
    message_class: MessageClass,
    protocol_type: int,
    payload: bytes,
    row: dict[str, Any],
    session_id: str | None,
    correlation_id: str | None,
) -> None:
    stored = StoredMessage(
        message_class=message_class,
        protocol_type=protocol_type,
        payload=payload,
        session_id=session_id,
        correlation_id=correlation_id,
        **row,
    )

    fields = read_fields(stored, ["X-CID", "Via"])

    json.dumps(fields).encode()
    assert "\0" not in "".join(value for value in fields.values() if isinstance(value, str))


@settings(max_examples=150)
@given(
    st.none() | st.integers(0, 255), payloads, columns, st.none() | st.binary(max_size=8), st.none() | texts
)
def test_ids_are_read_back_as_ingest_made_them(
    protocol_type: int | None,
    payload: bytes,
    row: dict[str, Any],
    chunk: bytes | None,
    aleg: str | None,
) -> None:
    kind, message_class = classify(protocol_type, payload)
    correlation_id = correlation_id_of(chunk, aleg)
    if message_class is None:
        message = parse_message(payload)
        message_class = route_sip(message.cseq_method)
        sid, said = session_id_of(message, correlation_id, row["source"], row["destination"])
    else:
        media, _ = read_media(message_class, kind, payload)
        sid, said = session_id_of(media, correlation_id, row["source"], row["destination"])
    session_column, correlation_column = stored_ids(sid, said, correlation_id)

    fields = read_fields(
        StoredMessage(
            message_class=message_class,
            protocol_type=kind,
            payload=payload,
            session_id=session_column,
            correlation_id=correlation_column,
            **(row | {"extra": None}),
        )
    )

    assert sid
    assert (fields["sid"], fields["correlation_id"]) == (sid, correlation_id or sid)
