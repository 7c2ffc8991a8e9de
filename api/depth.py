"""How deep JSON may be nested: what is taken must be readable and writable ever after, on whatever stack."""

from collections.abc import Iterable
from typing import Any, Final

from api.errors import RequestError

MOST_LEVELS: Final = 100


def check_depth(value: Any) -> None:
    """RequestError for JSON that is nested deeper."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [item for each in level for item in _within(each) if isinstance(item, (dict, list))]
        if not level:
            return
    raise RequestError(f"the JSON is nested deeper than {MOST_LEVELS} levels")


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
