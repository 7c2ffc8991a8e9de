"""The words of the benchmark's SIP: what the messages of a call look like, with places for what differs.

Products, header orders and bodies that the shipped payload dictionary was not trained on. `%(name)s` is
filled in for each call; the rest is fixed, as it is in the traffic of a real platform.
"""

from typing import NamedTuple

Template = str


class Sender(NamedTuple):
    """One product: how it names itself, and the lines that only it sends."""

    agent: str
    lines: str
    """Further headers of its requests and of 200 to INVITE."""
    owner: str
    """`o=` and `s=` of its SDP."""


TELEPHONES = (
    Sender(
        "User-Agent: Gigaset N870 IP PRO/83.V2.49.0",
        "Allow: INVITE, ACK, CANCEL, BYE, INFO, NOTIFY, REFER, OPTIONS, UPDATE\r\nSupported: replaces,"
        " timer\r\n"
        "Accept: application/sdp, multipart/mixed\r\nAllow-Events: message-summary, refer, ua-profile,"
        " talk\r\n",
        "%(owner)s 0 IN IP4 %(source)s\r\ns=Gigaset",
    ),
    Sender(
        "User-Agent: Fanvil X6U 2.12.18.1",
        "Allow: INVITE,ACK,CANCEL,BYE,NOTIFY,REFER,OPTIONS,INFO,MESSAGE,SUBSCRIBE\r\nSupported: timer,"
        "100rel,path\r\n"
        "Allow-Events: talk,hold,conference\r\nX-Fanvil-Line: 1\r\n",
        "fanvil %(owner)s IN IP4 %(source)s\r\ns=Fanvil call session",
    ),
    Sender(
        "User-Agent: Mitel-6869i-SIP/6.3.3.1013",
        "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, NOTIFY, REFER, UPDATE, PRACK, INFO\r\n"
        "Allow-Events: aastra-xml,"
        " talk, hold, conference, LocalModeStatus\r\nSupported: gruu, path, timer, replaces\r\n",
        "MxSIP 0 %(owner)s IN IP4 %(source)s\r\ns=SIP Call from Mitel",
    ),
    Sender(
        "User-Agent: Bria 6 release 6.5.2 stamp 118419",
        "Allow: OPTIONS, SUBSCRIBE, NOTIFY, INVITE, ACK, CANCEL, BYE, REFER, INFO, PRACK\r\n"
        "Supported: replaces, 100rel,"
        " eventlist\r\nX-Cisco-Reserved: none\r\n",
        "- %(owner)s 1 IN IP4 %(source)s\r\ns=Bria voice",
    ),
    Sender(
        "User-Agent: Panasonic-KX-TGP600/04.31 (0080f0a1b2c3)",
        "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,PRACK,INFO,REFER,NOTIFY\r\nSupported: 100rel,timer,replaces\r\n"
        "P-Early-Media: supported\r\n",
        "- %(owner)s 1 IN IP4 %(source)s\r\ns=-",
    ),
)

SERVERS = (
    Sender(
        "Server: Oracle SBC SCZ9.1.0 MR-1 Patch 4",
        "Allow: ACK, BYE, CANCEL, INVITE, OPTIONS, PRACK, UPDATE, INFO\r\nSupported: 100rel, timer\r\n"
        "P-Charging-Vector: icid-value=%(icid)s;icid-generated-at=%(sbc)s;orig-ioi=home.example\r\n"
        "Session-Expires: 1800;refresher=uas\r\n",
        "- %(owner)s 2 IN IP4 %(sbc)s\r\ns=Oracle media",
    ),
    Sender(
        "Server: AudioCodes-Sip-Gateway-Mediant 9030/v.7.40A.600",
        "Allow: REGISTER,OPTIONS,INVITE,ACK,CANCEL,BYE,NOTIFY,PRACK,REFER,INFO,UPDATE\r\nSupported: em,"
        "timer,replaces,"
        "path,resource-priority,sdp-anat\r\nX-AC-Action: none\r\nX-Session-Group: %(icid)s\r\n",
        "AudiocodesGW %(owner)s 1 IN IP4 %(sbc)s\r\ns=Phone-Call",
    ),
    Sender(
        "Server: Ribbon SBC Core V12.01.03 R000",
        "Allow: INVITE,ACK,CANCEL,BYE,PRACK,OPTIONS,UPDATE,REFER\r\nSupported: timer,100rel,199\r\n"
        "P-Access-Network-Info: IEEE-802.3;eth-location=%(icid)s;network-provided\r\n"
        "Session-ID: %(icid)s\r\n",
        "Sonus_UAC %(owner)s 1 IN IP4 %(sbc)s\r\ns=SIP Media Capabilities",
    ),
)

SDP = (
    "v=0\r\no=%(session)s\r\nc=IN IP4 %(media)s\r\nt=0 0\r\nm=audio %(port)d RTP/AVP 9 8 0 18 96\r\n"
    "a=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n"
    "a=fmtp:18 annexb=no\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=maxptime:40\r\n"
    "a=rtcp:%(rtcp)d IN IP4 %(media)s\r\na=sendrecv\r\n"
)

_DIALOG = (
    "\r\nVia: SIP/2.0/UDP 10.255.0.%(hop)d:5060;received=10.255.0.%(hop)d;branch=%(branch)s.1"
    '\r\nFrom: "%(display)s" <sip:%(caller)s@%(domain)s;user=phone>;tag=%(from_tag)s\r\n'
    "To: <sip:%(callee)s@%(domain)s;user=phone>%(to_tag)s\r\nCall-ID: %(call_id)s\r\n"
)

REQUEST = (
    "%(method)s sip:%(target)s SIP/2.0\r\nVia: SIP/2.0/UDP %(via)s;rport;branch=%(branch)s"
    + _DIALOG
    + "CSeq: %(cseq)d %(method)s\r\nMax-Forwards: 69\r\n"
    "%(contact)s%(headers)sContent-Length: %(length)d\r\n\r\n"
)
RESPONSE = (
    "SIP/2.0 %(status)s\r\n"
    "Via: SIP/2.0/UDP %(via)s;rport=%(via_port)s;received=%(via_host)s;branch=%(branch)s"
    + _DIALOG
    + "CSeq: %(cseq)d %(method)s\r\n%(contact)s%(headers)sContent-Length: %(length)d\r\n\r\n"
)
