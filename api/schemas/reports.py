"""Reports beside a call under Homer's names: rows of `POST /call/report/qos` and `/log`, and the answers.

Source: homer-app's rows, which show `create_date` as text here and the payload as it is. `node` is a list of
two, because the data node and the node of the capture agent have one name; here in this order.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.callflow.hosts import ends_of
from api.export.text import rfc3339
from api.schemas.rows import Row
from api.search.decide import Found
from capture.fields import proto_name

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ReportAnswer(msgspec.Struct):
    """Reports of one kind, oldest first."""

    total: int
    data: list[dict[str, Any]]


class QosAnswer(msgspec.Struct):
    """What the web UI draws its charts from; it can take no other key beside these."""

    rtcp: ReportAnswer
    rtp: ReportAnswer


def report_answer(reports: Sequence[Found], node: str) -> ReportAnswer:
    """Reports in order; `node` for those that do not say of which data node they are."""
    return ReportAnswer(len(reports), [report_row(report, node) for report in reports])


def report_row(found: Found, node: str) -> Row:
    """One report or log line. Ends that were not captured are made up: the ladder draws between two."""
    stored, get = found.stored, found.fields.get
    source, destination = ends_of(found.fields)
    node = found.node.lower() or node
    agent = str(get("node") or "")
    return {
        "id": stored.id,
        "sid": get("sid", ""),
        "create_date": rfc3339(stored.time_us),
        # Not Homer's. The UI orders its ladder by this one, and takes it for the time of what is clicked on.
        "create_ts": stored.time_us / 1000,
        "node": [node, agent],
        "dbnode": node,
        "profile": "",
        "proto": get("proto") or proto_name(stored.protocol_type),
        "protocolFamily": get("family") or 0,
        "protocol": get("ip_protocol") or 0,
        "srcIp": source.address,
        "srcPort": source.port,
        "dstIp": destination.address,
        "dstPort": destination.port,
        "timeSeconds": stored.time_us // 1_000_000,
        "timeUseconds": stored.time_us % 1_000_000,
        "payloadType": get("protocol_type", stored.protocol_type),
        "captureId": agent,
        "correlation_id": get("correlation_id", ""),
        "raw": get("raw", ""),
    }


def is_json_object(found: Found) -> bool:
    """Whether the web UI can read a report; one that it cannot takes all its charts away."""
    raw = found.fields.get("raw")
    try:
        _object.decode(raw if isinstance(raw, str) else "")
    # RecursionError: nested deeper than the decoder's stack. UnicodeError: a lone surrogate set by a filter.
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
