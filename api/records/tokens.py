"""API tokens as administrators manage them. Knows no HTTP."""

from datetime import UTC, datetime

from api.auth.api_tokens import addresses_of, hash_of, new_token
from api.auth.caller import Caller
from api.errors import RequestError
from api.records.kind import Check, Kind, Values, json_object, whole
from api.records.store import Change, make_row
from api.tables import api_tokens


def _addresses(value: object) -> str:
    try:
        return addresses_of(str(value))
    except ValueError as error:
        raise RequestError(f"ip_address: {str(error)[:200]}") from None


TOKEN = Kind(
    "API token",
    api_tokens,
    (
        *("guid", "creator_guid", "name", "user_object", "ip_address", "create_date", "lastusage_date"),
        *("expire_date", "usage_calls", "limit_calls", "active"),
    ),
    required=("name", "expire_date", "active"),
    filled=("name",),
    checks={
        "ip_address": Check(_addresses, {"type": "string", "examples": ["192.0.2.0/24, 127.0.0.1"]}),
        "limit_calls": whole("limit_calls", 0, 2**62),
        "user_object": json_object("user_object"),
    },
    read_only=frozenset(["guid", "creator_guid", "create_date", "lastusage_date", "usage_calls"]),
)


async def make_token(change: Change, caller: Caller, values: Values) -> str:
    """Make one; the token itself, which nobody can be told again.

    Unless it is said for whom, it is for the user who makes it, as one who is no administrator.
    """
    if values["expire_date"] <= datetime.now(UTC):
        raise RequestError("expire_date is in the past")
    token = new_token()
    row = {
        "creator_guid": caller.guid,
        "user_object": {"username": caller.username, "usergroup": "user"},
        **values,
        "token_hash": hash_of(token),
    }
    await make_row(change, TOKEN, row)
    return token
