"""What a message can be found by: the key fields, and which of a message's values its call has not shown yet.

The invariant: whatever a message can be found by stands in a key row with the same call and the same bucket,
committed no later than the message. Knows nothing of PostgreSQL or of where bytes came from.
"""

KEY_RULES: dict[str, int] = {
    "sid": 1,
    "correlation_id": 1,
    "from_user": 1,
    "from_domain": 1,
    "to_user": 1,
    "to_domain": 1,
    "ruri_user": 1,
    "ruri_domain": 1,
    "pai_user": 1,
    "auth_user": 1,
    "contact_user": 1,
    "user_agent": 1,
    "address": 1,
    "node": 1,
    "custom": 1,
}
"""Key column → number of the rule that fills it. Change how a value is read, and its number must rise: older
buckets are then no longer narrowed by it. `custom` stands for every header of `sip.custom_headers`, each keyed as
`custom:NAME`."""

KEY_VALUE_CHARS = 200
"""Longer values are cut in a key row, and the row is marked."""
