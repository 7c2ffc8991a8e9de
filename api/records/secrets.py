"""Secrets within the JSON of settings: found by their names, and left out for all who need not know them."""

from typing import Any, Final

import msgspec

SECRETS: Final = (
    *("password", "passwd", "passphrase", "token", "secret", "apikey", "api_key", "api-key"),
    *("authorization", "credential", "private_key", "privatekey"),
)
"""What is called so, or has that in its name."""


def without_secrets(value: Any) -> Any:
    """The same with empty texts in their place, also where JSON stands within a text."""
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {name: "" if _is_secret(name) else without_secrets(item) for name, item in value.items()}
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return _of_text(value)
    return value


def _is_secret(name: str) -> bool:
    name = name.lower()
    return any(secret in name for secret in SECRETS)


def _of_text(text: str) -> str:
    try:
        inner = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
    shown = without_secrets(inner)
    return text if shown == inner else msgspec.json.encode(shown).decode()
