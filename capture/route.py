"""Which class a message belongs to: Homer's hepid and profile, by protocol type and CSeq method.

Source: hep-protocol 15 (the filing that Homer's users know). Knows nothing of tables beyond their stem.
"""

from enum import Enum

from capture.sip.parse import looks_like_sip

SIP = 1
RTCP = 5
"""Protocol types, chunk 0x000b."""


class MessageClass(Enum):
    """A class is stored in tables of its own and searched under its Homer key, `hepid_profile`."""

    CALL = "1_call"
    REGISTRATION = "1_registration"
    OTHER = "1_default"
    RTCP = "5_default"
    REPORT = "35_default"
    DNS = "53_default"
    ISUP = "54_default"
    LOG = "100_default"

    @property
    def key(self) -> str:
        """Homer's search key, also the stem of the tables' names: `messages_1_call`, `keys_1_call`."""
        return self.value

    @property
    def hepid(self) -> int:
        return int(self.value.partition("_")[0])

    @property
    def profile(self) -> str:
        return self.value.partition("_")[2]

    @property
    def retention_key(self) -> str:
        """The setting under `[retention]` that says how long it is kept."""
        return _RETENTION_KEYS[self]

    @property
    def is_sip(self) -> bool:
        return self.value.startswith("1_")


_RETENTION_KEYS = {
    MessageClass.CALL: "call",
    MessageClass.REGISTRATION: "registration",
    MessageClass.OTHER: "other",
    MessageClass.RTCP: "rtcp",
    MessageClass.REPORT: "reports",
    MessageClass.DNS: "dns",
    MessageClass.ISUP: "isup",
    MessageClass.LOG: "logs",
}
_CALL_METHODS = frozenset(["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO", "NOTIFY"])
_BY_PROTOCOL_TYPE = {
    5: MessageClass.RTCP,
    53: MessageClass.DNS,
    54: MessageClass.ISUP,
    100: MessageClass.LOG,
}


def route_sip(cseq_method: str) -> MessageClass:
    """The class of a SIP message; without a readable CSeq it is `OTHER`."""
    if cseq_method in _CALL_METHODS:
        return MessageClass.CALL
    return MessageClass.REGISTRATION if cseq_method == "REGISTER" else MessageClass.OTHER


def route_other(protocol_type: int) -> MessageClass:
    """The class of anything that is not SIP."""
    return _BY_PROTOCOL_TYPE.get(protocol_type, MessageClass.REPORT)


def classify(protocol_type: int | None, payload: bytes) -> tuple[int, MessageClass | None]:
    """The protocol type, told from the payload where HEPv1 and v2 send none, and the class.

    None stands for SIP, whose class is `route_sip` of its CSeq. Type 1 is SIP whatever is in it.
    """
    if protocol_type is None:
        protocol_type = SIP if looks_like_sip(payload) else RTCP
    return protocol_type, None if protocol_type == SIP else route_other(protocol_type)
