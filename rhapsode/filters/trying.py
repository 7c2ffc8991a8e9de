"""What scripts would make of packets, one after the other, in words for a terminal."""

import time
from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from capture.addresses import address_text
from capture.draft import TAG, Draft, Value
from capture.text import to_text
from rhapsode.filters.changes import Change
from rhapsode.filters.difference import OLD, SAME, differing_lines
from rhapsode.filters.trial import Tried
from rhapsode.terminal import printable

MOST_VALUE_CHARS = 300
"""Of a value as it is shown; a Via or a body goes on."""
MOST_LINES = 40
"""Of what a script changed in a payload."""
_NOTHING = "–"


class Tally:
    """What became of all packets that were tried."""

    def __init__(self) -> None:
        self.packets = 0
        self._of: Counter[str] = Counter()

    def count(self, tried: Tried) -> None:
        """A packet that failed may be changed or dropped as well."""
        self.packets += 1
        self._of["failed"] += tried.error is not None
        if tried.draft.dropped is not None:
            self._of["dropped"] += 1
        elif tried.is_changed:
            self._of["changed"] += 1
        elif tried.error is None:
            self._of["unchanged"] += 1

    @property
    def failed(self) -> int:
        return self._of["failed"]

    def line(self, calls: int, nanoseconds: int) -> Text:
        """The summary; `nanoseconds` of all calls together."""
        line = Text(f"{_number(self.packets, 'packet')}: ", "bold")
        styles = {"changed": "yellow", "dropped": "magenta", "failed": "bold red", "unchanged": ""}
        for at, (name, style) in enumerate(styles.items()):
            count = self._of[name]
            line.append(", " if at else "", "not bold")
            line.append(f"{count} {name}", style if count else "not bold dim")
        if calls:
            line.append(f"; {_number(calls, 'call')}, {nanoseconds / calls / 1000:.1f} µs each", "not bold")
        return line


def describe(number: int, tried: Tried) -> Iterator[Text]:
    """The lines for one packet: which it is, and what the scripts would do to it."""
    yield _head(number, tried.draft)
    if tried.error is not None:
        yield Text(f"    error: {printable(str(tried.error))}", "bold red")
    if tried.draft.dropped is not None:
        yield Text("    dropped: ", "magenta").append(printable(tried.draft.dropped), "bold magenta")
        return
    width = max((len(_name(change)) for change in tried.changes), default=0)
    for change in tried.changes:
        yield _change(change, width)
    if tried.draft.payload != tried.draft.packet.payload:
        yield from _payload(tried.draft.packet.payload, tried.draft.payload)
    elif not tried.changes and tried.error is None:
        yield Text("    unchanged", "dim")


def _head(number: int, draft: Draft) -> Text:
    packet = draft.packet
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(draft.time_us // 1_000_000))
    fields = (
        f"{moment}.{draft.time_us % 1_000_000:06}",
        printable(draft.meaning.method or "") or f"type {draft.meaning.protocol_type}",
        f"{_end(packet.source, packet.source_port)} → {_end(packet.destination, packet.destination_port)}",
    )
    line = Text(f"#{number}", "bold cyan").append("  " + "  ".join(fields), "bold")
    return line.append(f"  {printable(draft.meaning.sid)}", "not bold dim")


def _end(address: bytes | None, port: int | None) -> str:
    host = address_text(address) or _NOTHING
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _name(change: Change) -> str:
    return f"tag {printable(change.name.removeprefix(TAG))}" if change.name.startswith(TAG) else change.name


def _change(change: Change, width: int) -> Text:
    line = Text(f"    {_name(change):{width}}  ")
    line.append(_value(change.before), "red" if change.before not in (None, "") else "dim")
    line.append(" → ")
    return line.append(_value(change.after), "green" if change.after not in (None, "") else "dim")


def _value(value: Value) -> str:
    if value is None or value == "":
        return _NOTHING
    text = to_text(value) if isinstance(value, bytes) else str(value)
    shown = printable(text)
    return shown if len(shown) <= MOST_VALUE_CHARS else shown[:MOST_VALUE_CHARS] + "…"


def _payload(before: bytes, after: bytes) -> Iterator[Text]:
    """Lines that went and lines that came; those around them are left out."""
    yield Text(f"    payload, {len(before)} → {len(after)} bytes")
    lines = differing_lines(to_text(before), to_text(after))
    changed = [line for line in lines if not line.startswith(SAME)]
    for line in changed[:MOST_LINES]:
        style = "red" if line.startswith(OLD) else "green"
        yield Text(f"      {line[:2]}{_value(line[2:])}", style)
    if len(changed) > MOST_LINES:
        yield Text(f"      … {len(changed) - MOST_LINES} lines more", "dim")
    if not changed:
        yield Text("      other line ends, or bytes that are no text", "dim")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
