"""ISUP as JSON, protocol type 54.

Source: hep-protocol 13, "ISUP". hepgen.js writes point codes and CIC as words without quotes, which `lenient`
reads as text.
"""

import msgspec

from capture.media.lenient import read_integer, read_object, read_text


class IsupMessage(msgspec.Struct, frozen=True, gc=False):
    """The fields that a message is shown and found by. "": not sent."""

    cic: int | str = ""
    """Circuit; a number but where the sender has words."""
    dpc: int | str = ""
    """Destination point code."""
    opc: int | str = ""
    """Originating point code."""
    msg_name: str = ""
    """`IAM`, `ACM` …"""
    called_number: str = ""
    calling_number: str = ""

    @property
    def session_id(self) -> str | None:
        """`smaller point code:larger:CIC`, the same in both directions; None when one is missing."""
        if "" in (self.cic, self.dpc, self.opc):
            return None
        low, high = sorted((self.dpc, self.opc), key=_rank)
        return f"{low}:{high}:{self.cic}"


def parse_isup(payload: bytes) -> IsupMessage:
    """MediaError when the payload is no JSON object."""
    message = read_object(payload)
    return IsupMessage(
        cic=_number_or_word(message.get("cic")),
        dpc=_number_or_word(message.get("dpc")),
        opc=_number_or_word(message.get("opc")),
        msg_name=read_text(message.get("msg_name")),
        called_number=_number_of(message.get("called_number")),
        calling_number=_number_of(message.get("calling_number")),
    )


def _number_or_word(value: object) -> int | str:
    number = read_integer(value)
    return read_text(value) if number is None or number.bit_length() > 63 else number


def _number_of(party: object) -> str:
    """`{"num": "…"}`, or the number itself."""
    return read_text(party.get("num") if isinstance(party, dict) else party)


def _rank(point_code: int | str) -> tuple[bool, int, str]:
    return (False, point_code, "") if isinstance(point_code, int) else (True, 0, point_code)
