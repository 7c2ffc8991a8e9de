"""What people's scripts do with Homer, done with a real `rhapsode up`: the same codes, envelopes and values.

The bodies and headers are those of scripts and clients in use (shell, Python, Go, Ruby, JavaScript).
"""

import base64
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.homer_scripts import JSON, ACall, Script, curl, element, question, send_a_call
from tests.support.rhapsode import ADMIN_PASSWORD, Rhapsode, rhapsode_up, wait_for_outcomes
from tests.support.tshark import read_fields

PACKETS = 10
LOGIN = {"username": "admin", "password": ADMIN_PASSWORD}
ENDS = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.9:5080", "192.0.2.1:30001", "192.0.2.2:40001"]
EMPTY: dict[str, Any] = {"data": [], "keys": [], "total": 0}
NO_CALL = {"alias": {}, "calldata": [], "hosts": {}, "messages": []}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rhapsode]:
    with rhapsode_up(tmp_path_factory.mktemp("scripts")) as up:
        yield up


@pytest.fixture(scope="module")
def call(running: Rhapsode) -> ACall:
    sent = send_a_call(running.hep)
    wait_for_outcomes(running, PACKETS)
    return sent


@pytest.fixture(scope="module")
def script(running: Rhapsode) -> Iterator[Script]:
    with Script(running.web, "admin", ADMIN_PASSWORD) as script:
        yield script


def claims_of(token: str) -> dict[str, Any]:
    """Of a JWT, as scripts read them."""
    middle = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return claims


def transaction(call: ACall, **param: Any) -> dict[str, Any]:
    asked = {"id": 1, "callid": [call.call_id], "uuid": []}
    chosen = {"call": True, "registration": False, "rest": False}
    return question(call.window, asked, transaction=chosen, limit=200, **param)


def test_login_gives_a_token_that_says_whose_it_is(script: Script) -> None:
    profile = script.ask("GET", "users/profile")
    answer = script.login.json()
    claims = claims_of(answer["token"])

    assert (script.login.status_code, answer["user"]) == (201, {"admin": True})
    assert {name: claims[name] for name in ("username", "useradmin", "usergroup", "externalauth")} == {
        "username": "admin",
        "useradmin": True,
        "usergroup": "admin",
        "externalauth": False,
    }
    assert (claims["externaltype"], claims["avatar"], claims["displayname"]) == ("", "", "Rhapsode Admin")
    assert 1190 * 60 < claims["exp"] - time.time() <= 1200 * 60
    assert profile == (
        200,
        {
            "count": 0,
            "data": {
                "guid": answer["scope"],
                "username": "admin",
                "displayname": "Rhapsode Admin",
                "avatar": "",
                "group": "admin",
                "admin": True,
                "external_auth": False,
                "external_profile": "",
            },
        },
    )


REQUIRED = "Key: 'UserloginDetails.{0}' Error:Field validation for '{0}' failed on the 'required' tag"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            LOGIN | {"password": "no"},
            {"statuscode": 401, "error": "Unauthorized", "message": "incorrect password"},
        ),
        ({"password": "no"}, {"data": {}, "message": REQUIRED.format("Username")}),
        ({"username": "a", "password": ""}, {"data": {}, "message": REQUIRED.format("Password")}),
        (["admin"], {"data": {}, "message": "request format is not correct"}),
        ("{", {"data": {}, "message": "request format is not correct"}),
    ],
)
def test_login_that_fails_says_why_as_homer_does(script: Script, body: Any, answer: dict[str, Any]) -> None:
    status = answer.get("statuscode", 400)

    assert script.ask("POST", "auth", body, Authorization="") == (status, answer)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "missing or malformed jwt"),
        ("Basic YTpi", "missing or malformed jwt"),
        ("{token}", "missing or malformed jwt"),
        ("Bearer", "missing or malformed jwt"),
        ("Bearer {token}x", "invalid or expired jwt"),
        ("Bearer e30.e30.", "invalid or expired jwt"),
    ],
)
def test_request_without_a_login_is_told_so(script: Script, header: str, message: str) -> None:
    given = {"Authorization": header.format(token=script.login.json()["token"])} if header else {}

    answers = [script.send("GET", path, headers=given) for path in ("alias", "search/call/none", "session")]

    assert [(each.status_code, each.json()) for each in answers] == [(401, {"message": message})] * 3


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_unknown_path_is_told_to_who_is_logged_in(script: Script, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {script.login.json()['token']}"}

    answers = [script.send("POST", path, {}, header) for path in ("search/message", "search/call/data/")]

    assert [(each.status_code, each.json()) for each in answers] == [(404, {"message": "Not Found"})] * 2


def test_shell_script_logs_in_searches_and_saves_a_pcap(
    running: Rhapsode, call: ACall, tmp_path: Path
) -> None:
    web, json_header = f"{running.web}/api/v3", ("-H", "Content-Type: application/json")
    status, body = curl("-X", "POST", *json_header, "-d", json.dumps(LOGIN), f"{web}/auth")
    bearer = ("-H", f"Authorization: Bearer {json.loads(body)['token']}")
    searched = question(call.window, [element("sid", call.call_id), element("data_header.method", "BYE")])

    found = curl(*bearer, *json_header, "-d", json.dumps(searched), f"{web}/search/call/data")
    (row,) = json.loads(found[1])["data"]
    wanted = question(call.window, {"callid": [row["callid"]]})
    path = tmp_path / "call.pcap"
    saved = curl(
        *bearer, *json_header, "-d", json.dumps(wanted), "-o", str(path), f"{web}/export/call/messages/pcap"
    )

    assert (status, found[0], saved) == (201, 201, (200, ""))
    frames = read_fields(path, ["sip.Call-ID", "ip.src", "ip.dst", "tcp.dstport", "udp.dstport"], "sip")
    assert frames == [
        *([call.call_id, *ends] for ends in UDP_ENDS),
        *([call.leg_id, "192.0.2.2", "192.0.2.9", "5080", ""] for _ in range(2)),
    ]


UDP_ENDS = [
    ["192.0.2.1", "192.0.2.2", "", "5060"],
    ["192.0.2.2", "192.0.2.1", "", "5060"],
    ["192.0.2.2", "192.0.2.1", "", "5060"],
    ["192.0.2.1", "192.0.2.2", "", "5060"],
    ["192.0.2.2", "192.0.2.1", "", "5060"],
]


def test_search_shows_a_message_under_homer_s_names(script: Script, call: ACall) -> None:
    elements = [element("data_header.callid", call.call_id), element("data_header.method", "INVITE")]

    (row,) = script.rows(question(call.window, elements, limit=200, orlogic=False, location={}))

    assert {name: row[name] for name in ROW} == ROW | {
        "sid": call.call_id,
        "callid": call.call_id,
        "correlation_id": call.call_id,
        "create_date": call.time_us // 1000,
        "timeSeconds": call.time_us // 1_000_000,
        "timeUseconds": call.time_us % 1_000_000,
        "uuid": row["id"],
    }
    assert type(row["id"]) is type(row["create_date"]) is int
    assert "raw" not in row


ROW = {
    "sid": "",
    "callid": "",
    "correlation_id": "",
    "create_date": 0,
    "timeSeconds": 0,
    "timeUseconds": 0,
    "uuid": 0,
    "node": "localnode",
    "dbnode": "localnode",
    "table": "hep_proto_1_call",
    "aliasSrc": "192.0.2.1:5060",
    "aliasDst": "192.0.2.2:5060",
    "protocolFamily": 2,
    "protocol": 17,
    "srcIp": "192.0.2.1",
    "dstIp": "192.0.2.2",
    "srcPort": 5060,
    "dstPort": 5060,
    "payloadType": 1,
    "captureId": "2001",
    "method": "INVITE",
    "cseq": "1 INVITE",
    "ruri_user": "bob",
    "ruri_domain": "b.example",
    "from_user": "alice",
    "from_tag": "f1",
    "to_user": "bob",
    "to_tag": "",
    "user_agent": "Acme/1.0",
}


ALL = ["INVITE", "180", "200", "BYE", "200", "INVITE", "BYE"]
"""Methods of the call's messages."""


def smart(text: str) -> dict[str, Any]:
    return element("smartinput", text)


@pytest.mark.parametrize(
    ("elements", "methods"),
    [
        ([], ALL),
        ([element("data_header.from_user", "alice")], ALL),
        ([element("data_header.method", "INVITE;BYE")], ["INVITE", "BYE", "INVITE", "BYE"]),
        ([element("data_header.method", "18%")], ["180"]),
        ([element("data_header.method", "!=200")], ["INVITE", "180", "BYE", "INVITE", "BYE"]),
        ([element("protocol_header.dstPort", "5080", "integer")], ["INVITE", "BYE"]),
        ([element("protocol_header.protocol", 6, "integer")], ["INVITE", "BYE"]),
        ([element("protocol_header.srcIp", "192.0.2.2")], ["180", "200", "200", "INVITE", "BYE"]),
        ([element("raw", "%2 bye%"), element("data_header.method", "||180")], ["180", "BYE", "200", "BYE"]),
        # The limit as text or number, at the end or, as Homer could not take it, in front.
        ([element("data_header.method", "INVITE"), element("limit", "1")], ["INVITE"]),
        ([element("limit", "9"), smart("data_header.method = INVITE")], ["INVITE", "INVITE"]),
        ([element("data_header.method", "BYE"), element("limit", 1, "integer")], ["BYE"]),
        ([smart("data_header.method = BYE OR data_header.method = '180'")], ["180", "BYE", "BYE"]),
        ([smart("sid = '{call_id}' AND data_header.method LIKE 2%")], ["200", "200"]),
        ([smart("protocol_header.srcPort >= 5060 AND protocol_header.dstPort = 5080")], ["INVITE", "BYE"]),
        ([element("data_header.from_user", "nobody")], []),
    ],
)  # fmt: skip
def test_search_finds_what_the_form_says(
    script: Script, call: ACall, elements: list[dict[str, Any]], methods: list[str]
) -> None:
    asked = json.loads(json.dumps(elements).replace("{call_id}", call.call_id))

    assert [row["method"] for row in script.rows(question(call.window, asked))] == methods


def test_elements_are_joined_as_the_script_says(script: Script, call: ACall) -> None:
    elements = [element("data_header.method", "180"), element("data_header.cseq", "2 BYE")]

    found = [script.rows(question(call.window, elements, orlogic=any_of)) for any_of in (False, True)]

    assert [[row["method"] for row in rows] for rows in found] == [[], ["180", "BYE", "200", "BYE"]]


def test_registrations_and_log_lines_are_searched_by_their_keys(script: Script, call: ACall) -> None:
    (registration,) = script.rows(question(call.window, [], "1_registration"))
    (line,) = script.rows(question(call.window, [element("sid", call.call_id)], "100_default"))

    assert (registration["sid"], registration["method"]) == (call.register_id, "REGISTER")
    assert (line["raw"], line["table"]) == ("the call has ended", "hep_proto_100_default")


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"protocol_id": {"name": "SIP", "value": 1}}, "fields": [], "id": ""},
        {"param": {"timezone": {"value": -180, "name": "Local"}, "transaction": {}, "id": {}}},
        {"param": {"timezone": [], "transaction": [], "whitelist": None, "location": None, "limit": 0}},
        {"param": {"location": {"node": ["LocalNode"]}}},
        {"param": {"location": {"node": "localnode"}}},
    ],
)
def test_body_is_taken_with_all_that_scripts_put_into_it(
    script: Script, call: ACall, change: dict[str, Any]
) -> None:
    body = question(call.window, [element("data_header.method", "180")])
    body |= change | {"param": body["param"] | change.get("param", {})}

    assert [row["sid"] for row in script.rows(body)] == [call.call_id]


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": {"from": "1", "to": "2"}},
        {"timestamp": {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}},
        {"param": {"orlogic": "true"}},
        {"param": {"limit": "200"}},
        {"param": {"search": {"1_call": {"callid": ["a"]}}}},
        {"param": {"search": {"1_call": [{"value": "a", "type": "string"}]}}},
    ],
)
def test_body_of_other_types_is_refused(script: Script, call: ACall, change: dict[str, Any]) -> None:
    answer = script.ask("POST", "search/call/data", question(call.window, []) | change)

    assert answer == (400, {"data": {}, "message": "request format is not correct"})


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("search/call/data", {"Content-Type": "application/json; charset=utf-8"}, 201),
        ("search/call/data?x=1", JSON | {"Accept": "application/json, text/plain, */*"}, 201),
        ("search/call/data", {"Content-Type": "text/plain"}, 400),
        ("search/call/data", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
    ],
)
def test_body_has_to_say_that_it_is_json(
    script: Script, call: ACall, path: str, headers: dict[str, str], status: int
) -> None:
    answer = script.send("POST", path, question(call.window, []), {**script.headers, **headers})

    assert answer.status_code == status


def test_nothing_found_is_an_empty_answer(script: Script, call: ACall) -> None:
    later = {"from": call.window["to"] + 1, "to": call.window["to"] + 1000}

    answers = [
        script.ask("POST", "search/call/data", question(later, [])),
        script.ask("POST", "search/call/data", question(call.window, [], "99_none")),
        script.ask("POST", "search/call/data", {"timestamp": call.window, "param": {}}),
        script.ask("POST", "search/call/message", question(later, {"id": 1}, limit=1)),
    ]

    assert answers == [(201, EMPTY)] * 4
    assert script.ask("POST", "call/transaction", question(later, {"callid": ["none"]})) == (
        201,
        {"data": NO_CALL, "keys": [], "total": 0},
    )


@pytest.mark.parametrize("make", [int, float, str])
def test_message_is_shown_with_its_payload(script: Script, call: ACall, make: Any) -> None:
    (row,) = script.rows(question(call.window, [element("data_header.method", "180")]))

    status, answer = script.ask(
        "POST", "search/call/message", question(call.window, {"id": make(row["id"]), "uuid": []}, limit=1)
    )
    listed = script.ask("POST", "search/call/message", question(call.window, {"uuid": [row["id"]]}, limit=1))

    (message,) = answer["data"]
    assert (status, answer["total"], set(answer["keys"])) == (201, 1, set(message))
    assert message["raw"].encode() == call.payloads[1]
    assert (message["id"], message["uuid"], message["sid"]) == (row["id"], row["id"], call.call_id)
    assert message["create_ts"] == call.time_us // 1000 + 1
    assert not {"create_date", "table", "dbnode"} & set(message)
    assert listed == (status, answer)


@pytest.mark.parametrize(
    ("path", "key", "asked", "message"),
    [
        ("search/call/message", "1_call", {"callid": ["a"]}, "no ID or UUID has been provided"),
        ("search/call/message", "9_none", {"id": 1}, 'invalid search profile key: "9_none"'),
        ("call/transaction", "9_none", {"callid": ["a"]}, 'invalid search profile key: "9_none"'),
        ("export/call/messages/pcap", "9_none", {"callid": ["a"]}, 'invalid search profile key: "9_none"'),
        ("export/call/messages/text", "1_call", [], "request format is not correct"),
    ],
)
def test_question_about_no_message_is_refused(
    script: Script, call: ACall, path: str, key: str, asked: Any, message: str
) -> None:
    answer = script.ask("POST", path, question(call.window, asked, key))

    assert answer == (400, {"data": {}, "message": message})


def test_transaction_is_the_whole_call(script: Script, call: ACall) -> None:
    status, answer = script.ask("POST", "call/transaction", transaction(call))

    data = answer["data"]
    messages, arrows = data["messages"], data["calldata"]
    assert (status, answer["total"], len(arrows)) == (201, 9, 9)
    assert [message["raw"].encode() for message in messages] == call.payloads
    assert [message["profile"] for message in messages] == ["1_call"] * 7 + ["5_default", "100_default"]
    assert [message["sid"] for message in messages] == (
        [call.call_id] * 5 + [call.leg_id] * 2 + [call.call_id] * 2
    )
    pairs = [(each["id"], each["create_date"], each["sid"]) for each in messages]
    assert pairs == [(each["id"], each["create_date"], each["sid"]) for each in arrows]
    assert [each["create_date"] for each in arrows] == [call.time_us // 1000 + number for number in range(9)]
    assert [each["create_ts"] for each in messages] == [each["create_date"] for each in arrows]
    assert [each["method_text"] for each in arrows] == [
        *("INVITE", "180", "200", "BYE", "200", "INVITE", "BYE"),
        *("RTCP", "LOG"),
    ]
    assert [(each["srcId"], each["dstId"]) for each in arrows[4:8]] == [
        (ENDS[1], ENDS[0]),
        (ENDS[1], ENDS[2]),
        (ENDS[1], ENDS[2]),
        (ENDS[3], ENDS[4]),
    ]
    assert data["hosts"] == {end: {"host": [end], "position": at} for at, end in enumerate(ENDS)}
    assert data["alias"] == {end: end for end in ENDS}
    assert [each["destination"] for each in arrows] == [1, 0, 0, 1, 0, 2, 2, 4, 1]
    assert [each["protocol"] for each in arrows] == [17] * 5 + [6] * 2 + [17] * 2
    assert arrows[0]["ruri_user"] == call.payloads[0][:50].decode()
    assert {(each["msg_color"], each["table"]) for each in arrows} == {("blue", "")}
    assert (messages[0]["from_domain"], messages[0]["to_domain"]) == ("a.example", "b.example")


@pytest.mark.parametrize(
    "asked",
    [
        {"callid": "{call_id}"},
        {"callid": ["{leg_id}"]},
        {"id": "393731018", "callid": ["{call_id}", "none"]},
        {"callid": ["{call_id}"], "type": "string", "hepid": 1},
    ],
)
def test_transaction_is_asked_for_in_many_ways(script: Script, call: ACall, asked: Any) -> None:
    said = json.dumps(asked).replace("{call_id}", call.call_id).replace("{leg_id}", call.leg_id)

    _, answer = script.ask("POST", "call/transaction", question(call.window, json.loads(said)))

    assert answer["total"] == 9


def test_transaction_of_calls_and_registrations_over_a_week(script: Script, call: ACall) -> None:
    ids = {"callid": [call.call_id, call.register_id]}
    param = {
        "search": {"1_call": ids, "1_registration": ids},
        "transaction": {"call": True, "registration": True, "rest": False},
        "orlogic": True,
    }
    now_ms = time.time_ns() // 1_000_000
    body = {"param": param, "timestamp": {"from": now_ms - 7 * 86_400_000, "to": now_ms + 1000}}

    status, answer = script.ask("POST", "call/transaction", body)

    assert (status, answer["total"]) == (201, 10)
    assert answer["data"]["messages"][-1]["profile"] == "1_registration"


def test_whitelist_leaves_addresses_out(script: Script, call: ACall) -> None:
    _, answer = script.ask("POST", "call/transaction", transaction(call, whitelist=["192.0.2.9"]))

    assert [message["sid"] for message in answer["data"]["messages"]] == [call.call_id] * 7


def test_reports_have_rtcp_and_log_lines(script: Script, call: ACall) -> None:
    status, qos = script.ask("POST", "call/report/qos", transaction(call))
    logs = script.ask("POST", "call/report/log", transaction(call))

    (report,) = qos["rtcp"]["data"]
    assert (status, set(qos), qos["rtcp"]["total"], qos["rtp"]) == (
        201,
        {"rtcp", "rtp"},
        1,
        {"total": 0, "data": []},
    )
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=call.time_us + 7000)
    assert datetime.fromisoformat(report["create_date"]) == moment
    assert report["create_date"].endswith("Z")
    assert json.loads(report["raw"])["sender_information"] == {"packets": 250, "octets": 40000}
    assert {name: report[name] for name in ("sid", "proto", "profile", "dbnode", "payloadType")} == {
        "sid": call.call_id,
        "proto": "rtcp",
        "profile": "",
        "dbnode": "localnode",
        "payloadType": 5,
    }
    assert (report["srcIp"], report["srcPort"], report["dstPort"]) == ("192.0.2.1", 30001, 40001)
    assert (logs[0], logs[1]["total"]) == (201, 1)
    (line,) = logs[1]["data"]
    assert (line["raw"], line["proto"], line["payloadType"]) == ("the call has ended", "log", 100)


def test_text_has_a_line_before_each_message(script: Script, call: ACall) -> None:
    answer = script.send("POST", "export/call/messages/text", transaction(call))

    moment = datetime.fromtimestamp(call.time_us // 1_000_000, UTC)
    line = f"proto:UDP {moment:%Y-%m-%dT%H:%M:%S}.{call.time_us % 1_000_000:06}Z  {ENDS[0]} ---> {ENDS[1]}"
    first = f"{line}\r\n\r\n".encode() + call.payloads[0] + b"\r\n"
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert re.fullmatch(r"attachment; filename=export-.*Z\.txt", answer.headers["content-disposition"])
    assert answer.content.startswith(first)
    assert re.findall(rb"proto:(\w+) ", answer.content) == [b"UDP"] * 5 + [b"TCP"] * 2 + [b"UDP"] * 2


def test_pcap_of_nothing_is_a_head_alone(script: Script, call: ACall) -> None:
    whole = script.send("POST", "export/call/messages/pcap", transaction(call))
    nothing = script.send(
        "POST", "export/call/messages/pcap", {"timestamp": call.window, "param": {"search": {}}}
    )

    head = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000100 01000000")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/octet-stream")
    assert re.fullmatch(r"attachment; filename=export-.*Z\.pcap", whole.headers["content-disposition"])
    assert whole.content.startswith(head[:16])
    assert whole.content[20:24] == head[20:24]
    assert all(payload in whole.content for payload in call.payloads)
    assert (nothing.status_code, len(nothing.content)) == (200, 24)
