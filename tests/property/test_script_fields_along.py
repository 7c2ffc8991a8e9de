"""Fields that come along with a call are those that it would have read."""

from hypothesis import given
from hypothesis import strategies as st

from capture.draft import SIP_TEXTS
from capture.scripts.along import collector, to_lua
from tests.support.drafts import INVITE, a_draft

NAMES = sorted(
    SIP_TEXTS
    | {"is_request", "source", "destination", "source_port", "destination_port", "capture_id", "vlan", "kind"}
    | {
        "sid",
        "correlation_id",
        "node_name",
        "protocol_type",
        "payload",
        "time_us",
        "family",
        "custom:x",
        "none",
    }
)
PAYLOADS = [
    INVITE,
    b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n",
    b"no SIP",
    b"INVITE x",
    "INVITE sip:é@b SIP/2.0\r\n\r\n".encode(),
]


@given(
    st.sampled_from(PAYLOADS),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=16),
    st.sampled_from([None, b"call"]),
    st.sampled_from(["192.0.2.1", "2001:db8::1"]),
)
def test_what_comes_along_is_what_would_be_read(
    payload: bytes, names: list[str], correlation_id: bytes | None, source: str
) -> None:
    draft = a_draft(payload, source=source, correlation_id=correlation_id)

    assert collector(names)(7, draft) == (7, *[to_lua(draft.read(name)) for name in names])
