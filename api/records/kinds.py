"""The kinds of settings objects that Homer has, by their names in JSON."""

from api.errors import RequestError
from api.records.kind import ADDRESS, ID, Kind, Values, json_array, json_object, whole
from api.tables import advanced, agents, aliases, hepsubs, mappings, scripts, user_settings

_PORT = whole("port", 0, 65_535)
_HEPID = whole("hepid", 0, 2**31 - 1)


def _with_mask(values: Values, before: Values) -> Values:
    """An alias whose mask fits its address; the address alone where none is said."""
    row = before | values
    bits = 128 if ":" in row["ip"] else 32
    if "mask" not in values and (":" in before.get("ip", "")) != (":" in row["ip"]):
        row["mask"] = bits
    mask = row.get("mask", bits)
    if mask > bits:
        raise RequestError(f"mask is at most {bits} for {row['ip']}")
    return values | {"mask": mask}


ALIAS = Kind(
    "alias",
    aliases,
    ("id", "guid", "alias", "ip", "port", "mask", "captureID", "status", "version"),
    required=("alias", "ip"),
    filled=("alias", "ip"),
    checks={"ip": ADDRESS, "port": _PORT, "mask": whole("mask", 0, 128)},
    read_only=frozenset(["id", "guid"]),
    complete=_with_mask,
)
ADVANCED = Kind(
    "advanced setting",
    advanced,
    ("guid", "partid", "category", "param", "data"),
    required=("category", "param"),
    filled=("category", "param"),
    key=("category", "param"),
    read_only=frozenset(["guid"]),
)
MAPPING = Kind(
    "mapping",
    mappings,
    (
        *("guid", "profile", "hepid", "hep_alias", "partid", "version", "retention", "partition_step"),
        *("create_index", "create_table", "correlation_mapping", "fields_mapping", "fields_settings"),
        *("schema_mapping", "schema_settings", "user_mapping"),
    ),
    required=("profile", "hepid"),
    filled=("profile",),
    checks={
        "hepid": _HEPID,
        "correlation_mapping": json_array("correlation_mapping"),
        "fields_mapping": json_array("fields_mapping"),
        **{
            name: json_object(name)
            for name in ("create_index", "fields_settings", "schema_mapping", "schema_settings")
        },
    },
    key=("hepid", "profile"),
    read_only=frozenset(["guid"]),
)
HEPSUB = Kind(
    "hepsub",
    hepsubs,
    ("guid", "profile", "hepid", "hep_alias", "version", "mapping"),
    required=("profile", "hepid", "mapping"),
    filled=("profile",),
    checks={"hepid": _HEPID, "mapping": json_object("mapping")},
    key=("hepid", "profile"),
    read_only=frozenset(["guid"]),
)
SCRIPT = Kind(
    "script",
    scripts,
    ("uuid", "profile", "hepid", "hep_alias", "partid", "version", "type", "status", "data"),
    required=("profile", "hepid", "data"),
    checks={"hepid": _HEPID},
    columns={"uuid": "guid"},
    read_only=frozenset(["uuid"]),
)
AGENT = Kind(
    "agent subscription",
    agents,
    (
        *("uuid", "gid", "host", "port", "protocol", "path", "node", "type", "ttl"),
        *("create_date", "expire_date", "active"),
    ),
    required=("uuid", "gid", "host"),
    filled=("uuid", "host"),
    checks={"uuid": ID, "port": _PORT, "ttl": whole("ttl", 0, 2**31 - 1)},
    columns={"uuid": "guid"},
    read_only=frozenset(["create_date", "expire_date"]),
)
USER_SETTING = Kind(
    "user setting",
    user_settings,
    ("id", "guid", "username", "partid", "category", "param", "data"),
    required=("category", "param"),
    filled=("category", "param"),
    read_only=frozenset(["id", "guid"]),
)
