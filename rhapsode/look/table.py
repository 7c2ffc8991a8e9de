"""`rhapsode status` as a table: read in five seconds, at 80 columns too.

What is wrong is red, what is nothing is dim; colours only where a terminal shows them.
"""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rhapsode.look.words import days, duration, in_bytes, rate
from rhapsode.terminal import printable

_TROUBLE = ("dropped", "failed", "refused", "malformed", "kernel_drops")
"""Packets that somebody will miss."""
_NAMES = {
    "call": "calls",
    "registration": "registrations",
    "other": "other SIP",
    "rtcp": "RTCP",
    "reports": "reports",
    "dns": "DNS",
    "isup": "ISUP",
    "logs": "logs",
}
_NOTHING = "–"

Json = dict[str, Any]


def render(status: Json) -> RenderableType:
    """The whole page."""
    parts: list[RenderableType] = [_head(status), _packets(status), _journals(status["journals"])]
    if status["database"]["usable"]:
        parts.append(_classes(status["classes"]))
    parts.append(_foot(status))
    return Group(*(piece for part in parts for piece in (part, "")))


def _head(status: Json) -> Text:
    line = Text("Rhapsode ", style="bold")
    if not status["runs"]:
        line.append("is not running", "bold red")
    else:
        received = status["packets"]["received"]["per_second"]
        line.append("is running, ", "green")
        line.append(f"{rate(received)} packets/s", "green")
    line.append(f"   {status['data_dir']}", "not bold dim")
    return line


def _packets(status: Json) -> Table:
    table = plain_table()
    table.add_column("packets", min_width=14)
    table.add_column("a second", justify="right", min_width=8)
    table.add_column("since the first start", justify="right")
    for name, counts in status["packets"].items():
        per_second, total = counts["per_second"], counts["total"]
        style = "dim" if not total else "red" if name in _TROUBLE and per_second else ""
        table.add_row(name.replace("_", " "), rate(per_second), f"{total:,}", style=style)
        if name == "received":
            table.add_section()
    return table


def _journals(journals: list[Json]) -> Table:
    table = plain_table()
    table.add_column("journal", min_width=14)
    for name, width in (("waiting", 8), ("oldest", 8), ("on disk", 9), ("stored after", 12)):
        table.add_column(name, justify="right", min_width=width)
    table.add_column("state")
    for each in journals:
        state, style = _state(each)
        waits = each["waiting_packets"]
        table.add_row(
            each["name"],
            f"{waits:,}",
            duration(each["waiting_seconds"]) if waits else _NOTHING,
            in_bytes(each["bytes"]),
            duration(each["commit_delay_seconds"]) if each["commit_delay_seconds"] else _NOTHING,
            Text(state, style=style),
        )
    if not journals:
        table.add_row(_NOTHING, *[""] * 4, Text("nothing received", "dim"))
    return table


def _state(journal: Json) -> tuple[str, str]:
    if journal["full"]:
        return "full, drops packets", "bold red"
    if journal["database_away"] and journal["worker"]:
        return "no database", "bold red"
    if not journal["intake"] and not journal["worker"]:
        return ("stopped", "yellow") if journal["waiting_packets"] else ("empty", "dim")
    if not journal["worker"]:
        return "no worker", "bold red"
    if not journal["intake"]:
        return "being drained", ""
    behind = journal["waiting_seconds"] > 5
    return ("behind", "yellow") if behind else ("ok", "green")


def _classes(classes: list[Json]) -> RenderableType:
    table = plain_table()
    table.add_column("stored", min_width=14)
    for name, width in (("oldest", 8), ("kept", 8), ("on disk", 9), ("a day", 12)):
        table.add_column(name, justify="right", min_width=width)
    absent = [_NAMES[each["class"]] for each in classes if each["oldest"] is None]
    for each in classes:
        if each["oldest"] is None:
            continue
        growth = each["bytes_per_day"]
        table.add_row(
            _NAMES[each["class"]],
            duration(each["age_seconds"]),
            "for ever" if each["kept"] == "0" else each["kept"],
            in_bytes(each["bytes"]),
            _NOTHING if growth is None else in_bytes(growth),
        )
    if not absent:
        return table
    return Group(table, Text(f"nothing of {', '.join(absent)}", style="dim"))


def _foot(status: Json) -> Text:
    lines = [_disk(status["disk"], status["database"]), _database(status)]
    for node in status["nodes"]:
        if node["error"]:
            words = f"node      {node['name']} cannot be searched: {printable(node['error'])}"
            lines.append(Text(words, style="yellow"))
    if status["aside"]:
        words = f"aside     {status['aside']:,} packets: see rhapsode journal aside list"
        lines.append(Text(words, style="yellow"))
    lines += [Text(f"filters   {printable(words)}", style="yellow") for words in _filters(status["filters"])]
    return Text("\n").join(lines)


def _filters(filters: Json) -> list[str]:
    """Of scripts that run as they should there is nothing to say."""
    disabled = [each["name"] for each in filters["scripts"] if each["state"] == "disabled"]
    return [*filters["warnings"], *(f"disabled: {name}" for name in disabled)]


def _disk(disk: Json, database: Json) -> Text:
    line = Text(f"disk      {in_bytes(disk['free_bytes'])} free of {in_bytes(disk['total_bytes'])}")
    left = disk["days_until_full"]
    if left is not None:
        line.append(f", full in {days(left)}", "bold red" if left < 3 else "yellow" if left < 14 else "")
    elif disk["fills"] is False:
        line.append(", never full: retention comes first")
    elif database["name"] != "embedded":
        line.append(" for the journal; the database is elsewhere")
    elif database["usable"]:
        line.append(", how long that lasts shows after an hour", "dim")
    return line


def _database(status: Json) -> Text:
    database = status["database"]
    line = Text("database  ")
    if database["usable"]:
        size = in_bytes(database["bytes"])
        line.append(f"{database['name']}, PostgreSQL {database['version']}, {size}")
    elif database["name"] == "embedded" and not status["runs"]:
        line.append("embedded, not running", "dim")
    else:
        line.append(database["error"] or "too old", "bold red")
    return line


def plain_table() -> Table:
    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
