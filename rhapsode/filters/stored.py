"""Stored messages as the packets that they came as, for scripts to be tried on.

What a script set beside the payload when they were stored stays out, but for what has a column: addresses,
capture node, correlation id. Of these, and of a payload that it changed, there is nothing else.
"""

import json
from typing import NamedTuple

from capture.addresses import packed_address
from capture.errors import PayloadCorrupt
from capture.hep.packet import Packet
from capture.route import SIP, MessageClass
from capture.sip.parse import parse_message
from capture.store.codec import PayloadCodec
from capture.store.columns import messages_table
from capture.store.connection import Connection
from capture.store.dictionaries import all_dictionaries
from capture.store.schema import check_schema

_COLUMNS = (
    "time_us, id, protocol_type, ip_protocol, host(source), source_port, host(destination), destination_port,"
    " capture_id, node_name, correlation_id, session_id, extra::text, raw_codec, raw"
)


class _Row(NamedTuple):
    time_us: int
    id: int
    protocol_type: int
    ip_protocol: int | None
    source: str | None
    source_port: int | None
    destination: str | None
    destination_port: int | None
    capture_id: int | None
    node_name: str | None
    correlation_id: str | None
    session_id: str | None
    extra: str | None
    raw_codec: int
    raw: bytes


async def newest_packets(database_url: str, since_us: int, most: int) -> list[Packet]:
    """The newest messages of all classes captured since then, oldest first.

    StoreError where there is no database, or one of another version. A payload that cannot be restored is
    left out.
    """
    connection = await Connection.open(database_url)
    try:
        await check_schema(connection)
        codec = PayloadCodec()
        for number, content in (await all_dictionaries(connection)).items():
            codec.add(number, content)
        rows: list[_Row] = []
        for message_class in MessageClass:
            rows += await connection.fetch(
                _Row,
                f"select {_COLUMNS} from {messages_table(message_class)}"  # noqa: S608 (names of our own)
                " where time_us >= $1 order by time_us desc, id desc limit $2",
                since_us,
                most,
            )
    finally:
        await connection.close()
    rows.sort()
    return [packet for row in rows[-most:] if (packet := _packet(row, codec)) is not None]


def _packet(row: _Row, codec: PayloadCodec) -> Packet | None:
    try:
        payload = codec.decode(row.raw_codec, row.raw)
    except PayloadCorrupt:
        return None
    seconds, microseconds = divmod(row.time_us, 1_000_000)
    hep = json.loads(row.extra).get("hep", {}) if row.extra else {}
    source = packed_address(row.source or "")
    correlation_id = row.correlation_id or row.session_id
    if row.protocol_type == SIP and row.correlation_id is None and parse_message(payload).call_id:
        # Its session is that of a script.
        correlation_id = None
    return Packet(
        version=hep.get("version", 3),
        payload=payload,
        family=None if source is None else 2 if len(source) == 4 else 10,
        ip_protocol=row.ip_protocol,
        source=source,
        destination=packed_address(row.destination or ""),
        source_port=row.source_port,
        destination_port=row.destination_port,
        seconds=seconds,
        microseconds=microseconds,
        protocol_type=row.protocol_type,
        capture_id=row.capture_id,
        correlation_id=None if correlation_id is None else correlation_id.encode(),
        node_name=row.node_name.encode() if row.node_name else None,
        vlan=hep.get("vlan"),
    )
