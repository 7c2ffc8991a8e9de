"""What the program brings along: rows of settings that are there until somebody changes or deletes them.

Source: the rows that Homer 7 fills its tables with, and what the web UI breaks without.
"""

from api.records.kind import Kind, Values
from api.records.kinds import ADVANCED, HEPSUB
from api.records.store import default_guid

_SETTINGS = (
    ("search", "transaction", {"tabpositon": "flow", "lookup_range": [-300, 200]}),
    ("export", "transaction", {"openwindow": False, "tabpositon": "flow"}),
)
"""Category, param and data; `tabpositon` is how the web UI spells it."""
_HEPSUB = {
    "lookup_id": 0,
    "lookup_type": "pubsub",
    "lookup_field": '{"data":$source_field,"fromts":$fromts,"tots":$tots}',
    "lookup_range": [-300, 200],
    "lookup_profile": "cdr",
    "source_fields": {"sid": "data_header.sid", "source_ip": "data_header.srcIp"},
}


def advanced_defaults(*, loki: bool = False, prometheus: bool = False, grafana: bool = False) -> list[Values]:
    """The settings for all users. The UI shows widgets of the servers that have a row: those configured."""
    rows = list(_SETTINGS)
    # Without this row the UI's page of logs throws; who asks is answered by the server that is configured.
    rows.append(("search", "lokiserver", {"host": "loki" if loki else ""}))
    if prometheus:
        rows.append(("search", "promserver", {"host": "prometheus"}))
    if grafana:
        rows.append(("search", "grafana", {"host": "grafana"}))
    return [
        _row(ADVANCED, category, param, partid=1, category=category, param=param, data=data)
        for category, param, data in rows
    ]


def hepsub_defaults() -> list[Values]:
    """One for each profile of SIP."""
    return [
        _row(HEPSUB, 1, profile, profile=profile, hepid=1, hep_alias="SIP", version=1, mapping=_HEPSUB)
        for profile in ("default", "call", "registration")
    ]


def _row(kind: Kind, *key: object, **values: object) -> Values:
    # Copied: who gets it may change it.
    return {"guid": default_guid(kind, *key), **values}
