"""Messages of our own making to train the payload dictionary on: SIP dialogs, RTCP, reports, log lines.

From templates and a vocabulary, by chance with a seed: the same ones every time, and nobody's traffic. What
they share with real traffic is what repeats in it: header names and their order (those of RFC 3261 and of the
carriers' RFCs 3325, 4028, 5009, 7315, 7989), product names, method lists, SDP lines, keys of JSON reports.

`$n4` in a template is four random digits, `$hex4`, `$HEX4` and `$word4` are letters; `$ip`, `$user` and so on
are what a dialog's messages share.
"""

import random
import re
from collections.abc import Iterator

SEED = 20261123
DIALOGS = 2000

_PRODUCTS = """
Yealink SIP-T46S 66.86.0.15 | 0_$n10@$ip | $n10 | z9hG4bK$n10 | - 20$n3 20$n3 | SDP data
Grandstream GXP2160 1.0.11.64 | $n9-5060-1@BJC.BGI.BA.CC | $n10 | z9hG4bK$n9 | $user 8000 8000 | SIP Call
snomD785/10.1.54.13 | $hex16-$hex12 | $hex10 | z9hG4bK-$hex12 | root $n9 $n9 | call
PolycomVVX-VVX_410-UA/5.9.5.0614 | $hex32 | $HEX8-$HEX8 | z9hG4bK$hex16 | - $n10 $n10 | Polycom IP Phone
Cisco/SPA504G-7.6.2c | $hex8-$hex8@$ip | $hex16o0 | z9hG4bK-$hex8 | - $n6 $n6 | -
Cisco-SIPGateway/IOS-15.7.3.M4 | $HEX8-$HEX8-$HEX8-$HEX8@$ip | $HEX8-$HEX4 | z9hG4bK$HEX6 | CiscoSystemsSIP-GW-UserAgent $n4 $n4 | SIP Call
Linphone/3.12.0 (belle-sip/1.6.3) | $word10 | $word10 | z9hG4bK.$word10 | $user $n4 $n4 | Talk
Zoiper rv2.10.18.6 | $word22.. | $hex8 | z9hG4bK-524287-1---$hex16 | Z 0 $n9 | Z
MicroSIP/3.21.3 | $hex32 | $hex32 | z9hG4bKPj$hex32 | - $n10 $n10 | pjmedia
JsSIP 3.10.0 | $word20 | $word10 | z9hG4bK$n7 | - $n19 2 | -
Asterisk PBX 18.20.0 | $hex32@$ip:5060 | as$hex8 | z9hG4bK$hex8 | root $n9 $n9 | Asterisk PBX 18.20.0
FPBX-16.0.40(20.5.0) | $uuid | $uuid | z9hG4bKPj$uuid | - $n9 $n9 | Asterisk
FreeSWITCH-mod_sofia/1.10.10-release+git~20230813T165739Z~4cb05e7f4a~64bit | $uuid | $word13 | z9hG4bK$word13 | FreeSWITCH $n10 $n10 | FreeSWITCH
kamailio (5.6.3 (x86_64/linux)) | $hex16-$n5@$ip | $hex32-$hex4 | z9hG4bK$hex4.$hex32.0 | - $n10 $n10 | -
OpenSIPS (3.4.2 (x86_64/linux)) | $hex16-$n5@$ip | $hex32-$hex4 | z9hG4bK$hex4.$hex8.0 | - $n10 $n10 | -
SIPp/uac 3.6.1 | $n1-$n5@$ip | $n5SIPpTag00$n1 | z9hG4bK-$n5-1-0 | user1 53655765 2353687637 | -
Sippy | $hex32 | $hex32 | z9hG4bK$hex32 | Sippy $n9 0 | -
sipsak 0.9.8.1 | $n9@$ip | $hex8 | z9hG4bK.$hex8 | - $n6 $n6 | -
"""  # noqa: E501 # a table: product, Call-ID, tag, branch, o=, s=

_ALLOW = """
INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE
INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, PUBLISH, UPDATE, MESSAGE
INVITE, ACK, OPTIONS, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, REFER, UPDATE, MESSAGE
PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS
ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, REFER, REGISTER, SUBSCRIBE, UPDATE
ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER
INVITE,ACK,OPTIONS,BYE,CANCEL,REGISTER,INFO,REFER,SUBSCRIBE,NOTIFY,MESSAGE,UPDATE,PRACK
INVITE,ACK,CANCEL,BYE,UPDATE,INFO,OPTIONS,PRACK,NOTIFY
"""

_SUPPORTED = """
replaces, timer
replaces
timer, path, replaces
replaces, norefersub, extended-refer, timer, outbound, path, X-cisco-serviceuri
replaces, path, timer, eventlist
100rel, timer, replaces, norefersub
timer,100rel,precondition
replaces,100rel,timer,norefersub
path, outbound, gruu, 100rel
"""

_REASONS = """
100 Trying
100 trying -- your call is important to us
100 Giving a try
180 Ringing
183 Session Progress
200 OK
202 Accepted
302 Moved Temporarily
401 Unauthorized
403 Forbidden
404 Not Found
407 Proxy Authentication Required
408 Request Timeout
423 Interval Too Brief
480 Temporarily Unavailable
480 Temporarily not available
481 Call/Transaction Does Not Exist
481 Call leg/transaction does not exist
486 Busy Here
487 Request Terminated
488 Not Acceptable Here
491 Request Pending
500 Server Internal Error
503 Service Unavailable
603 Decline
"""

_FACTS = """
INVITE P-Asserted-Identity: <sip:$user@$domain>
INVITE P-Preferred-Identity: <sip:$user@$domain>
INVITE Remote-Party-ID: <sip:$user@$domain>;party=calling;screen=yes;privacy=off
INVITE Diversion: <sip:$user@$domain>;reason=unconditional
INVITE Privacy: none
INVITE Privacy: id
INVITE P-Asserted-Identity: "$user" <sip:+$user@$domain;user=phone>
INVITE P-Asserted-Identity: <tel:+$user>
INVITE P-Called-Party-ID: <sip:$peer@$domain>
INVITE P-Charging-Vector: icid-value=$hex32;icid-generated-at=$proxy_ip;orig-ioi=$domain
INVITE P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=$n15
INVITE P-Visited-Network-ID: "$domain"
INVITE P-Early-Media: supported
INVITE History-Info: <sip:$peer@$domain?Reason=SIP%3Bcause%3D302>;index=1
INVITE Route: <sip:$proxy_ip;lr>
INVITE Require: 100rel
INVITE Session-ID: $hex32;remote=00000000000000000000000000000000
INVITE Date: Mon, 02 Nov 2026 08:15:30 GMT
INVITE Content-Disposition: session
INVITE Timestamp: $n10
200 Session-Expires: 1800;refresher=uas
200 Require: timer
200 Accept: application/sdp
200 P-Asserted-Identity: <sip:$peer@$domain>
200 P-Charging-Vector: icid-value=$hex32;icid-generated-at=$proxy_ip;orig-ioi=$domain;term-ioi=$domain
200 Session-ID: $hex32;remote=$hex32
200 Allow-Events: talk,hold,conference,refer,check-sync
200 Date: Mon, 02 Nov 2026 08:15:30 GMT
180 RSeq: 1
180 Require: 100rel
180 P-Asserted-Identity: <sip:$peer@$domain>
183 RSeq: 1
183 Require: 100rel
183 P-Early-Media: sendrecv
183 Session-ID: $hex32;remote=$hex32
BYE Reason: SIP;cause=200;text="Call completed elsewhere"
BYE Route: <sip:$proxy_ip;lr>
BYE Session-ID: $hex32;remote=$hex32
ACK Route: <sip:$proxy_ip;lr>
CANCEL Reason: SIP;cause=200;text="Call completed elsewhere"
INVITE Session-Expires: 1800
INVITE Session-Expires: 1800;refresher=uac
INVITE Min-SE: 90
INVITE X-CID: $call_id
INVITE Allow-Events: talk,hold,conference,refer,check-sync
INVITE Accept: application/sdp, application/dtmf-relay
SUBSCRIBE Event: presence
SUBSCRIBE Event: message-summary
SUBSCRIBE Event: dialog
SUBSCRIBE Expires: 3600
SUBSCRIBE Accept: application/simple-message-summary
SUBSCRIBE Accept: application/dialog-info+xml
NOTIFY Event: message-summary
NOTIFY Event: refer
NOTIFY Event: keep-alive
NOTIFY Subscription-State: active;expires=3600
NOTIFY Subscription-State: terminated;reason=timeout
PUBLISH Event: presence
PUBLISH Event: vq-rtcpxr
PUBLISH Expires: 3600
REFER Refer-To: <sip:$peer@$domain>
REFER Referred-By: <sip:$user@$domain>
BYE Reason: Q.850;cause=16;text="Normal call clearing"
BYE X-Asterisk-HangupCause: Normal Clearing
BYE X-Asterisk-HangupCauseCode: 16
BYE X-RTP-Stat: PS=1500,OS=240000,PR=1498,OR=239680,PL=2,JI=3,LA=12,DU=30,EN=PCMU,DE=PCMU
BYE P-RTP-Stat: PS=500,OS=80000,PR=500,OR=80000,PL=0,JI=2,LA=0,DU=10
REGISTER Expires: 3600
REGISTER Expires: 600
REGISTER Allow-Events: talk,hold,conference,refer,check-sync
PRACK RAck: 1 1 INVITE
OPTIONS Accept: application/sdp
OPTIONS Accept-Language: en
"""

_BODIES = {
    "MESSAGE": ("text/plain", "Hello, please call me back."),
    "INFO": ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
    "NOTIFY": ("application/simple-message-summary", "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n"),
}

_MEDIA = """
m=audio $port RTP/AVP 0 8 9 18 101|a=rtpmap:0 PCMU/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:9 G722/8000|a=rtpmap:18 G729/8000|a=fmtp:18 annexb=no|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-16|a=ptime:20|a=sendrecv
m=audio $port RTP/AVP 8 0 101|a=rtpmap:8 PCMA/8000|a=rtpmap:0 PCMU/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=sendrecv
m=audio $port RTP/AVP 0 101|a=rtpmap:0 PCMU/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-16|a=ptime:20|a=maxptime:150|a=sendrecv
m=audio $port RTP/AVP 18 0 8 101|a=rtpmap:18 G729/8000|a=fmtp:18 annexb=no|a=rtpmap:0 PCMU/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendonly
m=audio $port RTP/AVP 104 102 8 101|a=rtpmap:104 AMR-WB/16000|a=fmtp:104 mode-change-capability=2;max-red=0|a=rtpmap:102 AMR/8000|a=fmtp:102 octet-align=1|a=rtpmap:8 PCMA/8000|a=rtpmap:101 telephone-event/8000|a=curr:qos local none|a=des:qos mandatory local sendrecv|a=sendrecv
m=audio $port RTP/AVP 8 3 0 13 101|a=rtpmap:8 PCMA/8000|a=rtpmap:3 GSM/8000|a=rtpmap:0 PCMU/8000|a=rtpmap:13 CN/8000|a=rtpmap:101 telephone-event/8000|a=rtcp:$port|a=inactive
m=audio $port RTP/SAVP 9 8 0 101|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:$word40|a=rtpmap:9 G722/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:0 PCMU/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-16|a=recvonly
m=audio $port UDP/TLS/RTP/SAVPF 111 9 0 8 126|a=rtpmap:111 opus/48000/2|a=rtcp-fb:111 transport-cc|a=fmtp:111 minptime=10;useinbandfec=1|a=rtpmap:9 G722/8000|a=rtpmap:0 PCMU/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:126 telephone-event/8000|a=ice-ufrag:$word4|a=ice-pwd:$word22|a=ice-options:trickle|a=fingerprint:sha-256 $HEX2:$HEX2:$HEX2:$HEX2|a=setup:actpass|a=mid:0|a=candidate:1 1 udp 2113937151 $ip $port typ host generation 0|a=rtcp-mux|a=sendrecv|a=ssrc:$n10 cname:$word16
"""  # noqa: E501 # one offer a line

_REPORTS = """
{ "sender_information":{"ntp_timestamp_sec":40043$n5,"ntp_timestamp_usec":$n9,"octets":$n5,"rtp_timestamp":$n6, "packets":$n3},"ssrc":$n9,"type":200, "report_count":1, "report_blocks":[{"source_ssrc":$n9,"highest_seq_no":$n5,"fraction_lost":0,"ia_jitter":$n2,"packets_lost":0,"lsr":$n9,"dlsr":$n5}],"sdes_ssrc":$n9,"sdes_report_count":1,"sdes_information": [ {"type":1,"text":"$user@$domain"}] }
{"sender_information":{"packets":$n3,"ntp_timestamp_sec":"40043$n5","ntp_timestamp_usec":"$n9","rtp_timestamp":$n9,"octets":$n5},"type":201,"ssrc":$n9,"report_count":1,"report_blocks":[{"source_ssrc":$n9,"fraction_lost":$n1,"packets_lost":$n2,"highest_seq_no":$n5,"ia_jitter":$n2,"lsr":$n9,"dlsr":$n5}]}
{"CORRELATION_ID":"$call_id","RTP_SIP_CALL_ID":"$call_id","DELTA":19.$n3,"JITTER":0.$n3,"REPORT_TS":17954$n5.$n3,"TL_BYTE":0,"SKEW":0.000,"TOTAL_PK":$n4,"EXPECTED_PK":$n4,"PACKET_LOSS":0,"SEQ":0,"MAX_JITTER":0.$n3,"MAX_DELTA":20.$n3,"MAX_SKEW":0.$n3,"MEAN_JITTER":0.$n3,"MIN_MOS":4.$n3, "MEAN_MOS":4.$n3, "MOS":4.$n3,"RFACTOR":80.200,"MIN_RFACTOR":80.200,"MEAN_RFACTOR":80.200,"SRC_IP":"$ip", "SRC_PORT":$n5, "DST_IP":"$peer_ip","DST_PORT":$n5,"OUT_ORDER":0,"SSRC_CHG":0,"CODEC_PT":0, "CLOCK":8000,"CODEC_NAME":"g711u","DIR":0,"REPORT_NAME":"$ip:$n5","PARTY":0,"TYPE":"PERIODIC"}
INFO: <script>: request INVITE from $user to $peer received by $peer_ip:5060, ID=$call_id
NOTICE: acc [acc.c:279]: ACC: transaction answered: method=INVITE;from_tag=$from_tag;to_tag=$to_tag;call_id=$call_id;code=200;reason=OK
ERROR: <script>: no route for sip:$peer@$domain from $ip
"""  # noqa: E501 # one report or log line a line

_DOMAINS = [
    "example.com",
    "example.net",
    "sip.example.com",
    "pbx.example.net",
    "voip.example.org",
    "$peer_ip",
]
_NUMBERS = ["1$n3", "2$n2", "49$n10", "1$n10", "0049$n9", "+44$n9", "alice", "bob"]
_NETS = ["192.168.1.", "192.168.0.", "10.0.0.", "10.1.2.", "172.16.0.", "203.0.113.", "198.51.100."]
_ADDRESSES = ("ip", "peer_ip", "proxy_ip")
_HEX = "0123456789abcdef"
_LETTERS = {
    "n": "123456789",
    "hex": _HEX,
    "HEX": _HEX.upper(),
    "word": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
}
_PLACE = re.compile(r"\$(?:(n|hex|HEX|word)(\d+)|([a-z_]+))")
_IN_DIALOG = frozenset(["ACK", "BYE", "INFO", "UPDATE", "REFER", "NOTIFY", "PRACK"])
_BARE = frozenset(["ACK", "CANCEL", "BYE", "INFO", "MESSAGE"])


def make_messages(dialogs: int = DIALOGS, seed: int = SEED) -> list[bytes]:
    """The messages of so many dialogs of all kinds, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 # nothing secret is drawn
    return [message.encode() for _ in range(dialogs) for message in _Dialog(chance).messages()]


class _Dialog:
    """What the messages of one dialog share, and those messages."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._client, self._server = self._product(), self._product()
        self._shared = {name: chance.choice(_NETS) + str(chance.randrange(1, 255)) for name in _ADDRESSES}
        self._share("user", chance.choice(_NUMBERS))
        self._share("peer", chance.choice(_NUMBERS))
        self._share("domain", chance.choice(_DOMAINS))
        self._share("port", chance.choice(("5060", "5060", "5062", "$n5")))
        self._share("transport", chance.choice(("UDP", "UDP", "UDP", "TCP", "TLS", "WSS")))
        self._share("call_id", self._client[1])
        self._share("from_tag", self._client[2])
        self._share("to_tag", self._server[2])
        self._cseq = chance.choice((1, 1, 2, 20, 101, 102, chance.randrange(1, 30000)))
        self._proxied = chance.random() < 0.5
        self._display = chance.choice(("", "", '"$user" ', "Alice ", '"Alice Smith" '))
        self._phone = chance.choice(("", "", "", ";user=phone"))

    def messages(self) -> Iterator[str]:
        kind = self._chance.choices("CROJ", (50, 18, 12, 20))[0]
        if kind == "C":
            yield from self._call()
        elif kind == "R":
            yield self._request("REGISTER")
            yield self._response("REGISTER", "401")
            yield self._request("REGISTER", credentials=True)
            yield self._response("REGISTER", self._chance.choice(("200", "200", "200", "403", "423")))
        elif kind == "O":
            method = self._chance.choice(("OPTIONS", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "NOTIFY"))
            yield self._request(method)
            yield self._response(method, self._chance.choice(("200", "200", "202", "404", "481")))
        else:
            yield from map(self._fill, _REPORTS.strip().splitlines())

    def _call(self) -> Iterator[str]:
        end = self._chance.choice(("200", "200", "200", "486", "487", "404", "480", "603", "503", "488"))
        yield self._request("INVITE", self._sdp())
        yield self._response("INVITE", "100")
        if self._chance.random() < 0.4:
            yield self._response("INVITE", "407")
            yield self._request("ACK")
            yield self._request("INVITE", self._sdp(), credentials=True)
        yield self._response("INVITE", self._chance.choice(("180", "183")))
        if end == "487":
            yield self._request("CANCEL")
            yield self._response("CANCEL", "200")
        yield self._response("INVITE", end, self._sdp() if end == "200" else "")
        yield self._request("ACK")
        if end == "200":
            for method in (
                self._chance.choice(("INFO", "UPDATE", "REFER", "NOTIFY", "PRACK", "OPTIONS")),
                "BYE",
            ):
                yield self._request(method)
                yield self._response(method, "200")

    def _request(self, method: str, body: str = "", *, credentials: bool = False) -> str:
        target = "sip:$domain" if method == "REGISTER" else "sip:$peer@$domain"
        self._cseq += method not in ("ACK", "CANCEL")
        lines = [
            f"{method} {target} SIP/2.0",
            *self._head(method, answered=False, tagged=method in _IN_DIALOG),
        ]
        lines.append("Max-Forwards: " + self._chance.choice(("70", "70", "69", "68")))
        if credentials:
            name = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
            lines.append(
                f'{name}: Digest username="$user", realm="$domain", nonce="$word22", uri="{target}",'
                ' response="$hex32", algorithm=MD5, cnonce="$hex8", qop=auth, nc=00000001'
            )
        lines += self._facts(method)
        lines.append(f"User-Agent: {self._client[0]}")
        lines += [] if method in _BARE else self._client[6:]
        return self._message(lines, "application/sdp", body) if body else self._with_body(lines, method)

    def _response(self, method: str, code: str, body: str = "") -> str:
        reasons = [line for line in _REASONS.splitlines() if line.startswith(code)]
        lines = [f"SIP/2.0 {self._chance.choice(reasons)}"]
        lines += self._head(method, answered=True, tagged=code != "100")
        if code in ("401", "407"):
            name = "WWW-Authenticate" if code == "401" else "Proxy-Authenticate"
            lines.append(f'{name}: Digest realm="$domain", nonce="$word22", algorithm=MD5, qop="auth"')
        elif code >= "400":
            cause = self._chance.choice((1, 16, 17, 19, 21, 34, 41))
            lines.append(f'Reason: Q.850;cause={cause};text="NORMAL_CLEARING"')
        if method == "INVITE":
            lines += self._facts(code)
        lines.append(f"{self._chance.choice(('Server', 'User-Agent'))}: {self._server[0]}")
        return self._message([*lines, *self._server[6:]], "application/sdp", body)

    def _facts(self, kind: str) -> list[str]:
        """Up to three of the headers that such messages may carry."""
        facts = [line.partition(" ")[2] for line in _FACTS.splitlines() if line.startswith(kind + " ")]
        return self._chance.sample(facts, min(len(facts), self._chance.randrange(4)))

    def _head(self, method: str, *, answered: bool, tagged: bool) -> list[str]:
        """From the Vias to the Contact."""
        lines = []
        if self._proxied:
            lines.append("Via: SIP/2.0/UDP $proxy_ip;branch=z9hG4bK$hex4.$hex32.0")
        rport = ";received=$ip;rport=$port" if answered else ";rport"
        lines.append(f"Via: SIP/2.0/$transport $ip:$port;branch={self._client[3]}{rport}")
        if self._proxied and method != "REGISTER":
            lines.append("Record-Route: <sip:$proxy_ip;lr;ftag=$from_tag>")
        callee, expires = ("user", ";expires=3600") if method == "REGISTER" else ("peer", "")
        lines += [
            f"From: {self._display}<sip:$user@$domain{self._phone}>;tag=$from_tag",
            f"To: <sip:${callee}@$domain{self._phone}>" + (";tag=$to_tag" if tagged else ""),
            "Call-ID: $call_id",
            f"CSeq: {self._cseq} {method}",
        ]
        if method not in ("ACK", "CANCEL", "BYE"):
            contact = "$peer@$peer_ip:5060" if answered and callee == "peer" else "$user@$ip:$port"
            transport = self._chance.choice(("", ";transport=udp", ";transport=tcp", ";ob"))
            lines.append(f"Contact: <sip:{contact}{transport}>{expires}")
        return lines

    def _sdp(self) -> str:
        head = f"v=0|o={self._client[4]} IN IP4 $ip|s={self._client[5]}|c=IN IP4 $ip|t=0 0|"
        return self._fill(head + self._line(_MEDIA)).replace("|", "\r\n") + "\r\n"

    def _with_body(self, lines: list[str], method: str) -> str:
        kind, body = _BODIES.get(method, ("", ""))
        return self._message(lines, kind, body)

    def _message(self, lines: list[str], kind: str, body: str) -> str:
        typed = [f"Content-Type: {kind}"] if body else []
        return self._fill("\r\n".join([*lines, *typed, f"Content-Length: {len(body)}", "", ""])) + body

    def _product(self) -> list[str]:
        """The cells of a product's line, and what it says it can do."""
        cells = [cell.strip() for cell in self._line(_PRODUCTS).split("|")]
        return [*cells, f"Allow: {self._line(_ALLOW)}", f"Supported: {self._line(_SUPPORTED)}"]

    def _line(self, block: str) -> str:
        return self._chance.choice(block.strip().splitlines())

    def _share(self, name: str, template: str) -> None:
        self._shared[name] = self._fill(template)

    def _fill(self, template: str) -> str:
        return _PLACE.sub(self._random, template)

    def _random(self, place: re.Match[str]) -> str:
        letters, count, name = place.groups()
        if letters:
            return "".join(self._chance.choices(_LETTERS[letters], k=int(count)))
        if name == "uuid":
            return self._fill("$hex8-$hex4-4$hex3-$hex4-$hex12")
        return self._shared[name]
