"""Loki, InfluxDB 1.x and Grafana, small: they answer what the documentation of their HTTP APIs says.

Loki: `/loki/api/v1/query_range`, `labels`, `label/NAME/values`. InfluxDB 1.8: `/query`. Grafana: `/api/org`,
`/api/search`, `/api/dashboards/uid/UID`, `/api/ds/query`, pages and what belongs to them.
"""

import re

from tests.support.http_server import Asked, Said, said_json

LOKI_LINES = [
    (
        {"job": "heplify-server", "type": "sip"},
        [("1765000012345678901", "INVITE <b>"), ("1765000010000000000", "BYE")],
    ),
    ({"job": "heplify-server"}, [("1765000011000000000", "REGISTER")]),
]


def loki(asked: Asked) -> Said:
    """Two streams, and the labels of them."""
    match asked.path.split("/")[1:]:
        case ["loki", "api", "v1", "query_range"]:
            return _lines(asked.query)
        case ["loki", "api", "v1", "labels"]:
            return said_json({"status": "success", "data": ["job", "type"]})
        case ["loki", "api", "v1", "label", name, "values"]:
            values = {"job": ["heplify-server"], "type": ["sip"]}.get(name)
            # Without any there is no `data`.
            return said_json({"status": "success"} | ({"data": values} if values else {}))
    return Said(b"404 page not found\n", 404)


def _lines(query: dict[str, str]) -> Said:
    assert query.keys() == {"query", "limit", "start", "end", "direction"}
    assert query["direction"] == "backward"
    if query["query"].startswith("rate("):
        return said_json(
            {
                "status": "success",
                "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "1"]]}]},
            }
        )
    if not query["query"].startswith("{"):
        return Said(b"parse error at line 1, col 1: syntax error: unexpected IDENTIFIER\n", 400)
    if int(query["limit"]) > 5000:
        return Said(b"max entries limit per query exceeded, limit > max_entries_limit (%s > 5000)", 400)
    window = range(int(query["start"]), int(query["end"]))
    result = [
        {"stream": labels, "values": [value for value in values if int(value[0]) in window]}
        for labels, values in LOKI_LINES
    ]
    return said_json(
        {"status": "success", "data": {"resultType": "streams", "result": result, "stats": {"summary": {}}}}
    )


_NAME = "heplify_method_response"
INFLUXDB_SERIES = {
    'SHOW DATABASES': {"name": "databases", "columns": ["name"], "values": [["_internal"], ["homer"]]},
    'SHOW RETENTION POLICIES ON "homer"': {
        "columns": ["name", "duration", "shardGroupDuration", "replicaN", "default"],
        "values": [["autogen", "0s", "168h0m0s", 1, True], ["60s", "1h", "1h", 1, False]],
    },
    'SHOW MEASUREMENTS ON "homer"': {
        "name": "measurements", "columns": ["name"], "values": [[_NAME]]
    },
    'SHOW FIELD KEYS FROM "60s"."heplify_method_response"': {
        "name": _NAME, "columns": ["fieldKey", "fieldType"], "values": [["counter", "float"]]
    },
    'SHOW TAG KEYS FROM "heplify_method_response"': {
        "name": _NAME, "columns": ["tagKey"], "values": [["method"], ["response"]]
    },
}  # fmt: skip
_SELECT = re.compile(
    r'SELECT mean\("(?P<field>\w+)"\) AS "(?P=field)" FROM "(?P<database>\w+)"\.(?P<retention>"\w+")?'
    r'\."(?P<measurement>[\w.:/-]+)" WHERE time >= -?\d+ms AND time <= -?\d+ms'
    r" GROUP BY time\(\d+s\) FILL\(null\) ORDER BY time DESC LIMIT \d+"
)


def influxdb(asked: Asked) -> Said:
    """One database with one measurement."""
    assert asked.path == "/query"
    statement, database = asked.query["q"], asked.query.get("db", "")
    if found := _SELECT.fullmatch(statement):
        assert found["database"] == database
        if database != "homer":
            return _result(error=f"database not found: {database}")
        if found["measurement"] == "too_much":
            return _result(error="max-select-buckets limit exceeded: (100001/100000)")
        if found["measurement"] != _NAME:
            return _result()
        columns = ["time", found["field"]]
        values = [["2025-12-06T06:00:00Z", 1.50], ["2025-12-06T05:59:00Z", None]]
        return _result(series=[{"name": found["measurement"], "columns": columns, "values": values}])
    if statement in INFLUXDB_SERIES:
        return _result(series=[INFLUXDB_SERIES[statement]])
    if statement.startswith("SHOW "):
        return _result()
    return said_json({"error": f"error parsing query: found {statement}"}, 400)


def _result(**content: object) -> Said:
    return said_json({"results": [{"statement_id": 0} | content]})


ADMIN_TOKEN, VIEWER_TOKEN = "of-an-admin", "of-a-viewer"
GRAFANA_PAGE = b'<!DOCTYPE html><html><head><base href="/" /><title>Grafana</title></head></html>'
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=UTF-8",
    "Cache-Control": "no-store",
    "X-Frame-Options": "deny",
    "Set-Cookie": "grafana_session=x; Path=/",
    "Content-Security-Policy": "default-src *",
}
FOLDERS = [
    {"id": 1, "uid": "voip", "title": "VoIP", "type": "dash-folder"},
    {"id": 2, "uid": "nErXDvCkzz", "title": "Calls", "type": "dash-db"},
]


def grafana(asked: Asked) -> Said:
    """One organisation, a folder, a dashboard; nothing without a token."""
    if asked.path.startswith("/public/"):
        return Said(
            b"let x=1",
            headers={"Content-Type": "application/javascript", "Cache-Control": "public, max-age=31536000"},
        )
    token = asked.headers.get("authorization", "").removeprefix("Bearer ")
    if token not in (ADMIN_TOKEN, VIEWER_TOKEN):
        if asked.path.startswith("/api/"):
            return said_json({"message": "Unauthorized", "traceID": ""}, 401)
        return Said(b"", 302, {"Location": "/login", "Set-Cookie": "redirect_to=%2F; Path=/; HttpOnly"})
    match asked.path.split("/")[1:]:
        case ["api", "org"]:
            return said_json({"id": 1, "name": "Main Org.", "address": {"city": ""}})
        case ["api", "search"]:
            return said_json(FOLDERS if asked.query == {"folderIds": "0"} else FOLDERS[1:])
        case ["api", "dashboards", "uid", "nErXDvCkzz"]:
            return said_json(
                {"dashboard": {"uid": "nErXDvCkzz", "panels": [{"id": 2, "title": "Rate"}]}, "meta": {}}
            )
        case ["api", "ds", "query"]:
            return said_json({"results": {"A": {"status": 200, "frames": []}}})
        case ["api", "admin", *_]:
            return said_json({"message": "Permission denied"}, 200 if token == ADMIN_TOKEN else 403)
        case ["d" | "d-solo", *_]:
            return Said(GRAFANA_PAGE, headers=PAGE_HEADERS)
    return said_json({"message": "Not found"}, 404)


def prometheus(asked: Asked) -> Said:
    """One metric with one series. Expressions are names with or without labels, anything else is an error."""
    match asked.path.split("/")[1:]:
        case ["api", "v1", "query_range"]:
            return _range(asked.query)
        case ["api", "v1", "label", "__name__", "values"]:
            return said_json({"status": "success", "data": ["go_goroutines", "up"]})
        case ["api", "v1", "series"]:
            series = {"__name__": "up", "instance": "a:9090", "job": "x"}
            found = [series | {"code": code} for code in ("200", "404")] + [
                {"__name__": "up", "version": "2"}
            ]
            return said_json({"status": "success", "data": found if asked.query["match[]"] == "up" else []})
    return Said(b"404 page not found\n", 404)


def _range(query: dict[str, str]) -> Said:
    assert query.keys() == {"query", "start", "end", "step"}
    if not re.fullmatch(r"\w+(\{.*\})?", query["query"], re.DOTALL):
        error = 'invalid parameter "query": 1:1: parse error: unexpected character'
        return said_json({"status": "error", "errorType": "bad_data", "error": error}, 400)
    if int(query["step"]) <= 0:
        error = 'invalid parameter "step": zero or negative query resolution step widths are not accepted'
        return said_json({"status": "error", "errorType": "bad_data", "error": error}, 400)
    values = [[int(query["start"]), "1"], [int(query["end"]), "NaN"]]
    result = [{"metric": {"__name__": query["query"]}, "values": values}]
    return said_json({"status": "success", "data": {"resultType": "matrix", "result": result}})
