"""Homer's answer to the question what is in a message, layer by layer."""

from typing import Any

import msgspec


class DecodedMessage(msgspec.Struct, omit_defaults=True):
    """One message; without `decoded` where it could not be taken apart."""

    decoded: list[Any] | None = None
    """Its packets as tshark has them: `_source.layers` is an object of layers. Of several the last is the
    first: it shows the whole message, and the web UI shows it alone."""


class DissectAnswer(msgspec.Struct):
    """The messages asked for, oldest first."""

    total: int
    data: list[DecodedMessage]
